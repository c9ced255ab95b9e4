"""A stand-in for the Magic Hour API: the same answers, with lives that can be planned, sped up and looked up."""

from worker.simulator.options import SimulatorOptions
from worker.simulator.running import Simulator, running_simulator
from worker.simulator.server import serve

__all__ = ["Simulator", "SimulatorOptions", "running_simulator", "serve"]
