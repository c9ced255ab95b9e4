"""A simulator inside the current process, for tests."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from worker.simulator.faults import Faults
from worker.simulator.lifecycle.ground_truth import Record
from worker.simulator.lifecycle.projects import Clock, Project
from worker.simulator.options import SimulatorOptions
from worker.simulator.server import make_server
from worker.simulator.simulation import Simulation, Stats
from worker.simulator.webhooks import WebhookOptions


@dataclass(frozen=True, slots=True)
class Simulator:
    """A running simulator: its URL, and direct access to its state."""

    url: str
    simulation: Simulation

    def create(self, count: int = 1, path: str | None = None) -> list[Project]:
        """Create plain projects, through one create endpoint or, without a path, through all of them in turn."""
        return self.simulation.create(count, path)

    def record(self) -> list[Record]:
        """Return the ground truth of every remembered project, oldest first."""
        return self.simulation.record()

    def misbehave(self, faults: Faults | None = None, script: Sequence[str] = ()) -> None:
        """Replace the active faults. `script` has one fault for each of the next requests.

        Without `faults` the script comes on top of what is there already.
        """
        if faults is None:
            self.simulation.misfortune.script(script)
        else:
            self.simulation.misfortune.become(faults, script)

    def requests(self) -> dict[str, list[float]]:
        """Return the times (epoch seconds) of each API key's requests, by `fingerprint` of the key."""
        return self.simulation.log.times()

    @contextmanager
    def sending_webhooks(self, options: WebhookOptions) -> Iterator[None]:
        """Send webhooks about projects that are created while the context lasts."""
        with self.simulation.sending_webhooks(options, self.url):
            yield

    def stats(self) -> Stats:
        """Return the number of API responses by status."""
        return self.simulation.stats()


@contextmanager
def running_simulator(options: SimulatorOptions | None = None, clock: Clock = time.time) -> Iterator[Simulator]:
    """Run a simulator on a free loopback port in a thread while the context lasts."""
    simulation = Simulation(options or SimulatorOptions(), clock)
    with make_server(simulation, "127.0.0.1", 0).serving_in_thread() as url:
        yield Simulator(url, simulation)
