"""A simulator inside the current process, for tests."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from worker.simulator.faults import Faults
from worker.simulator.options import SimulatorOptions
from worker.simulator.projects import Clock, Project
from worker.simulator.record import Record
from worker.simulator.server import AnnouncingServer
from worker.simulator.simulation import Simulation, Stats

START_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Simulator:
    """A running simulator: its URL, and its state without HTTP in between."""

    url: str
    simulation: Simulation

    def create(self, count: int = 1, path: str | None = None) -> list[Project]:
        """Create plain projects, through one create endpoint or, without a path, through all of them in turn."""
        return self.simulation.create(count, path)

    def record(self) -> list[Record]:
        """Return the true story of every remembered project, oldest first."""
        return self.simulation.record()

    def misbehave(self, faults: Faults | None = None, script: Sequence[str] = ()) -> None:
        """Misbehave like this from now on, and no longer as before. `script` is for the next requests, one each.

        Without `faults` the script comes on top of what is there already.
        """
        if faults is None:
            self.simulation.misfortune.script(script)
        else:
            self.simulation.misfortune.become(faults, script)

    def requests(self) -> dict[str, list[float]]:
        """Return when (epoch seconds) each API key's requests came in, by `fingerprint` of the key."""
        return self.simulation.log.times()

    def stats(self) -> Stats:
        """Return how often the API answered with which status."""
        return self.simulation.stats()


@contextmanager
def running_simulator(options: SimulatorOptions | None = None, clock: Clock = time.time) -> Iterator[Simulator]:
    """Run a simulator on a free loopback port in a thread while the context lasts."""
    simulation = Simulation(options or SimulatorOptions(), clock)
    urls: list[str] = []
    listening = threading.Event()

    def announce(url: str) -> None:
        urls.append(url)
        listening.set()

    server = AnnouncingServer(simulation, "127.0.0.1", 0, announce)
    thread = threading.Thread(target=server.serve_until_stopped, name="simulator", daemon=True)
    thread.start()
    try:
        if not listening.wait(START_SECONDS):
            raise RuntimeError(f"the simulator did not start within {START_SECONDS} seconds")
        yield Simulator(urls[0], simulation)
    finally:
        server.should_exit = True
        thread.join()
