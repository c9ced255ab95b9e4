"""A stand-in for the Magic Hour API: the same answers, with lives that can be planned, sped up and looked up."""

from worker.simulator.faults import FAULTS, Faults
from worker.simulator.options import SimulatorOptions
from worker.simulator.request_log import fingerprint
from worker.simulator.running import Simulator, running_simulator
from worker.simulator.server import serve

__all__ = ["FAULTS", "Faults", "Simulator", "SimulatorOptions", "fingerprint", "running_simulator", "serve"]
