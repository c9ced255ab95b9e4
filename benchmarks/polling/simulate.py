"""A discrete-event simulation that asks the very functions that the workers call, with a clock of its own."""

import heapq
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from benchmarks.polling.durations import Type
from worker.domain.scheduling import cohorts, hazard, pricing, prioritization, schedule

LEAST, GREATEST = 0.5, 120.0
LEARN_EVERY = 60.0
TICK = 1.0


@dataclass
class Project:
    """One render: when it was handed over, how long it waits, and when it ends after that; what we know of it."""

    number: int
    type: Type
    start: float
    duration: float
    wait: float = 0.0
    clock: float = 0.0
    seen_at: float = 0.0
    gap: float = 0.0
    due: float = 0.0
    requests: int = 0


@dataclass(frozen=True)
class Finish:
    """One finished render: which one, the how manyth of its type, when, with how many requests, and how late."""

    number: int
    type: str
    nth: int
    at: float
    requests: int
    delay: float
    longest_overdue: float


@dataclass
class Trial:
    """A run of many projects. ``change`` alters a type's durations over time; ``rate`` limits requests a second."""

    types: Sequence[Type]
    target: float
    count: int
    seed: int = 0
    every: float = 6.0
    price: float | None = None
    rate: float | None = None
    ranked: bool = True
    change: Callable[[float], float] = lambda _: 1.0
    least: float = LEAST
    greatest: float = GREATEST
    learn_every: float = LEARN_EVERY
    guess: Callable[[Type], hazard.Hazard] = lambda _: hazard.unknown()
    rule: Callable[[hazard.Hazard, float, float, float, float], float] = hazard.next_gap
    # Whether a project is checked when it is handed over, and checks wait for the next dispatch, once a second.
    dispatched: bool = False
    # Instead of drawn ones: these, each asked for as soon as it is handed over.
    given: Sequence[Project] = ()
    finishes: list[Finish] = field(default_factory=list)

    def run(self) -> "Trial":
        """Run until all have finished."""
        self._prepare()
        if self.rate is None:
            self._run_freely()
        else:
            self._run_limited(self.rate)
        return self

    def _prepare(self) -> None:
        random = Random(self.seed)
        self.steers = self.price is None
        self.now_price = self.price
        self.tables = {kind.name: self.guess(kind) for kind in self.types}
        self.past = {kind.name: deque[cohorts.ObservedRender](maxlen=hazard.REMEMBERED) for kind in self.types}
        self.done = dict.fromkeys(self.tables, 0)
        self.open: dict[int, Project] = {}
        self.learned_at = 0.0
        self.overdue: dict[int, float] = {}
        self.arrivals = deque(self.given)
        at = 0.0
        for number in range(0 if self.given else self.count * len(self.types)):
            at += random.expovariate(1 / self.every)
            kind = self.types[number % len(self.types)]
            self.arrivals.append(Project(number, kind, at, kind.draw(random) * self.change(at)))

    def _start(self, project: Project) -> None:
        project.seen_at = project.clock = project.start
        self.open[project.number] = project
        if self.given or self.dispatched:
            project.due = self._dispatch(project.start)
        else:
            self._plan(project, project.start)

    def _plan(self, project: Project, now: float) -> None:
        table = self.tables[project.type.name]
        project.gap = self.rule(table, now - project.clock, self._price(table), self.least, self.greatest)
        project.due = self._dispatch(now + project.gap)

    def _price(self, table: hazard.Hazard) -> float:
        return schedule.price_of(schedule.Plan(self.target, self.now_price), table)

    def _dispatch(self, due: float) -> float:
        return math.ceil(due / TICK) * TICK if self.dispatched else due

    def _ask(self, project: Project, now: float) -> bool:
        """Check a project, and tell whether it has ended."""
        project.requests += 1
        self.overdue[project.number] = max(self.overdue.get(project.number, 0.0), now - project.due)
        age = now - project.start
        if age < project.duration:
            project.seen_at = now
            if age < project.wait:
                project.clock = now
            self._plan(project, now)
            return False
        name = project.type.name
        seen = cohorts.ObservedRender(project.clock, project.seen_at - project.clock, now - project.clock)
        self.past[name].append(seen)
        self.done[name] += 1
        if self.steers:
            delay = hazard.expected_delay(self.tables[name], project.seen_at - project.clock, project.gap)
            self.now_price = pricing.steer(self._price(self.tables[name]), self.target, delay)
        del self.open[project.number]
        late, overdue = age - project.duration, self.overdue.pop(project.number)
        self.finishes.append(Finish(project.number, name, self.done[name], now, project.requests, late, overdue))
        return True

    def _learn(self, now: float) -> None:
        if now - self.learned_at < self.learn_every:
            return
        self.learned_at = now
        for kind in {kind.name: kind for kind in self.types}.values():
            past = self.past[kind.name]
            running = [each for each in self.open.values() if each.type.name == kind.name]
            seen = [*past, *(cohorts.ObservedRender(each.clock, each.seen_at - each.clock) for each in running)]
            since = past[0].start + past[0].high if len(past) == past.maxlen else -math.inf
            self.tables[kind.name] = hazard.estimate_hazard(cohorts.weigh(seen, since), self.guess(kind))

    def _run_freely(self) -> None:
        queue: list[tuple[float, int, Project]] = []
        while queue or self.arrivals:
            if self.arrivals and (not queue or self.arrivals[0].start <= queue[0][0]):
                project = self.arrivals.popleft()
                self._start(project)
                heapq.heappush(queue, (project.due, project.number, project))
                continue
            now, _, project = heapq.heappop(queue)
            self._learn(now)
            if not self._ask(project, now):
                heapq.heappush(queue, (project.due, project.number, project))

    def _run_limited(self, rate: float) -> None:
        now, tokens = 0.0, 0.0
        while self.open or self.arrivals:
            now += TICK
            self._learn(now)
            tokens = min(tokens + rate * TICK, max(rate, 1.0) * TICK)
            while self.arrivals and self.arrivals[0].start <= now:
                self._start(self.arrivals.popleft())
            chosen = self._choose(now, int(tokens))
            tokens -= len(chosen)
            for number in chosen:
                self._ask(self.open[number], now)

    def _choose(self, now: float, count: int) -> list[int]:
        due = sorted((each for each in self.open.values() if each.due <= now), key=lambda each: each.due)
        if not self.ranked or len(due) <= count:
            return [each.number for each in due[:count]]
        return prioritization.choose(
            [self._candidate(each, now) for each in due[: max(prioritization.CANDIDATES * count, 50)]], count
        )

    def _candidate(self, project: Project, now: float) -> prioritization.Candidate:
        waited = now - project.seen_at
        benefit = hazard.expected_delay_saved(self.tables[project.type.name], project.seen_at - project.clock, waited)
        return prioritization.Candidate(project.number, now - project.due, benefit)
