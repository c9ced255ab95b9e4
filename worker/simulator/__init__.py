"""A simulator of the Magic Hour API: the same responses, and lifecycles that can be planned, sped up and inspected."""

from worker.simulator.faults import FAULTS, Faults
from worker.simulator.options import SimulatorOptions
from worker.simulator.request_log import fingerprint
from worker.simulator.running import Simulator, running_simulator
from worker.simulator.server import serve
from worker.simulator.webhooks import WebhookOptions

__all__ = [
    "FAULTS",
    "Faults",
    "Simulator",
    "SimulatorOptions",
    "WebhookOptions",
    "fingerprint",
    "running_simulator",
    "serve",
]
