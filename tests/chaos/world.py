"""What faults work on, and the time that passes between them."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from tests.celery.world import Store
from tests.chaos.processes import Fleet
from tests.support.services import Broker
from worker.domain.projects.status import Kind
from worker.simulator import Simulator
from worker.store.engine import StoreUnavailableError
from worker.store.monitoring.health import read_health

LEASE: Final = 4.0
TICK: Final = 0.1
# For so many seconds a check may be due before health says so.
_LONG: Final = 40.0

Inject = Callable[["World"], bool]
"""Does something bad; False when there was nothing to do it to."""


@dataclass(frozen=True)
class Wiped:
    """A span of time (epoch seconds) at whose end a broker had lost messages that it had taken."""

    start: float
    end: float


@dataclass
class World:
    """A stack under test."""

    name: str
    random: Random
    fleet: Fleet
    database_url: str
    broker: Broker
    simulator: Simulator
    store: Store
    faults: dict[str, Inject]
    broker_control: Any = None
    injected: Counter[str] = field(default_factory=Counter)
    leases: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=300))
    wiped: list[Wiped] = field(default_factory=list)
    refused: dict[str, Kind] = field(default_factory=dict)
    lies: list[str] = field(default_factory=list)
    outage: float = 30.0
    _later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something after a while, or when the faults end."""
        self._later.append((time.monotonic() + seconds, act))

    def live(self, seconds: float) -> None:
        """Let time pass: processes are tended, and what was put off is done."""
        until = time.monotonic() + seconds
        while True:
            self._act(time.monotonic())
            self.fleet.tend()
            if time.monotonic() >= until:
                return
            time.sleep(TICK)

    def demand_red(self, what: str) -> None:
        """Note it as a lie if health is green now, though something has kept work from moving."""
        with suppress(StoreUnavailableError), self.store.database.read() as connection:
            health = read_health(connection, keys=["default"], target_delay=5.0)
            due = health.facts.oldest_due
            waited = (health.now - due).total_seconds() if due else 0.0
            if health.status == "ok" and (waited > _LONG or health.facts.paused_accounts):
                self.lies.append(f"green while {what}: a check has been due for {waited:.0f} s")

    def calm(self) -> None:
        """Undo everything that still goes on."""
        self._act(float("inf"))

    def _act(self, now: float) -> None:
        due = [one for one in self._later if one[0] <= now]
        self._later = [one for one in self._later if one[0] > now]
        for _, act in due:
            act()

    @contextmanager
    def messages_are_lost(self) -> Iterator[None]:
        """Note that the broker loses what it holds in between: nobody can deliver what it took and forgot."""
        start = time.time()
        yield
        self.wiped.append(Wiped(start, time.time()))


def inject(
    world: World,
    count: int,
    pause: tuple[float, float],
    *,
    every_round: Callable[[], None],
    every_time: Callable[[], object],
) -> None:
    """Inject so many faults, every kind about as often, in an order that follows from the seed."""
    deck: list[str] = []
    while world.injected.total() < count:
        if not deck:
            deck = sorted(world.faults)
            world.random.shuffle(deck)
            every_round()
        every_time()
        name = deck.pop()
        if world.faults[name](world):
            world.injected[name] += 1
        world.live(world.random.uniform(*pause))
