"""What the checks after the end cost and find: all of them, beside those that are worth it by what was learned.

python -m benchmarks.polling.settling
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import accumulate
from random import Random

from worker.domain.projects.project import Project
from worker.domain.scheduling.durations import Durations
from worker.domain.scheduling.hazard import REMEMBERED
from worker.domain.scheduling.schedule import Plan, settle_gap
from worker.domain.scheduling.settling import SettledProject, estimate_rates

_START = datetime(2026, 1, 1, tzinfo=UTC)
_PLAN = Plan()
_AGES = tuple(accumulate(_PLAN.settle_gaps))
# A type is learned anew after this many of its projects.
_LEARN_EVERY = 50


@dataclass(frozen=True)
class Ending:
    """How a project of a type ends: its status and credits then, and when its credits change, in seconds, if ever."""

    type: str
    status: str
    credits_at_end: int
    changes_at: float | None


@dataclass(frozen=True, eq=False)
class _Past:
    """A project that ended: when, at which ages it was seen, and between which of these its credits changed."""

    ended: float
    ages: tuple[float, ...]
    changes: tuple[tuple[float, float], ...]

    def seen_by(self, now: float) -> SettledProject:
        """Return what had been seen of it at a time."""
        until = max(age for age in self.ages if age <= now - self.ended)
        return SettledProject(until, tuple(each for each in self.changes if each[1] <= until))


@dataclass
class Settled:
    """The totals of many projects: requests after the end, changes that came in time to be found, and those found."""

    projects: int = 0
    requests: int = 0
    fixed_requests: int = 0
    findable: int = 0
    found: int = 0
    delay: float = 0.0
    fixed_delay: float = 0.0

    @property
    def missed(self) -> float:
        """The share that the fixed schedule finds and we do not."""
        return 1 - self.found / max(1, self.findable)


def mixed(random: Random, number: int, change_at: int) -> Ending:
    """Draw an end of the mixed load: 7 % fail; from number ``change_at`` on images change too."""
    kind = random.choice(("image", "audio", "video"))
    if random.random() < 0.07:
        lot = random.random()
        late = random.uniform(20, 300) if lot < 0.5 else random.uniform(0, 5 * 86400) if lot < 0.55 else None
        return Ending(kind, "error", int(lot < 0.6), late)
    rate = 0.03 if kind == "video" else 0.05 if kind == "image" and number >= change_at else 0.0
    return Ending(kind, "complete", 1, random.expovariate(1 / 300) if random.random() < rate else None)


@dataclass
class Settling:
    """Projects that end one after the other, ``every`` seconds; ``draw`` says how, by its number."""

    draw: Callable[[Random, int], Ending]
    count: int
    every: float = 1.0
    total: Settled = field(default_factory=Settled)

    def run(self) -> Settled:
        """Let all of them settle."""
        random = Random(1)
        self._past: dict[tuple[str, str], deque[_Past]] = {}
        rates: dict[tuple[str, str, str], dict[float, float]] = {}
        for number in range(self.count):
            now = number * self.every
            ending = self.draw(random, number)
            key = (ending.type, ending.status)
            past = self._past.setdefault(key, deque(maxlen=10 * REMEMBERED))
            if number % _LEARN_EVERY == 0:
                rates = {("video", *each): self._learn(each, now) for each in self._past}
            past.appendleft(self._settle(ending, number, now, Durations(settling=rates)))
            self._settle_fixed(ending)
        return self.total

    def _learn(self, key: tuple[str, str], now: float) -> dict[float, float]:
        """Learn from what had been seen by now, as the store selects it."""
        past = list(self._past[key])
        latest, older = past[:REMEMBERED], [each for each in past if now - each.ended >= _AGES[-1]][:REMEMBERED]
        chosen = dict.fromkeys([*latest, *older])
        return estimate_rates(_AGES, [each.seen_by(now) for each in chosen])

    def _settle(self, ending: Ending, number: int, now: float, durations: Durations) -> "_Past":
        plan = Plan(durations=durations)
        start = Project(
            "video", str(number), "a", _START, type=ending.type, status=ending.status, settling_since=_START
        )
        ages, owed = [0.0], ending.credits_at_end
        changes: tuple[tuple[float, float], ...] = ()
        while True:
            project = replace(start, credits_charged=owed)
            gap = settle_gap(plan, project, _START + timedelta(seconds=ages[-1]))
            if gap is None:
                break
            ages.append(round(ages[-1] + gap, 3))
            if ending.changes_at is not None and not changes and ages[-1] >= ending.changes_at:
                changes, owed = ((ages[-2], ages[-1]),), 0
                self.total.found += 1
                self.total.delay += ages[-1] - ending.changes_at
        self.total.projects += 1
        self.total.requests += len(ages) - 1
        return _Past(now, tuple(ages), changes if ending.status == "complete" else ())

    def _settle_fixed(self, ending: Ending) -> None:
        gaps = _PLAN.settle_gaps + (_PLAN.refund_gaps if ending.status != "complete" and ending.credits_at_end else ())
        ages: Sequence[float] = list(accumulate(gaps))
        at = len(ages) if ending.changes_at is None else bisect_left(ages, ending.changes_at)
        found = at < len(ages)
        self.total.findable += found
        self.total.fixed_delay += ages[at] - (ending.changes_at or 0.0) if found else 0.0
        # Once refunded, the slow tail is not needed.
        self.total.fixed_requests += max(at + 1, len(_AGES)) if found else len(ages)


def main() -> None:
    """Print the mixed load as it is, and with images whose credits begin to change in the middle."""
    count = 12_000
    for name, change_at in (("steady", count), ("images begin to change", count // 2)):
        total = Settling(partial(mixed, change_at=change_at), count, every=10.0).run()
        ours, fixed = total.requests / total.projects, total.fixed_requests / total.projects
        print(f"{name:24}{ours:6.2f} checks, all of them {fixed:.2f}; missed {total.missed:.2%} of {total.findable}")


if __name__ == "__main__":
    main()
