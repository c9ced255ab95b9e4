"""The real claim at half of the rate that it would need, beside projects that settle: on a clock of its own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from random import Random
from statistics import fmean
from typing import Any, Final
from unittest.mock import patch

from sqlalchemy import bindparam, delete, insert, select, update

from benchmarks.polling.durations import Type
from worker.domain.scheduling.durations import Durations
from worker.domain.scheduling.hazard import Hazard, next_gap
from worker.domain.scheduling.rate_limit import Limits
from worker.domain.scheduling.schedule import Plan
from worker.domain.scheduling.settling import SettlingRates, ages_to_check
from worker.store.engine import Database
from worker.store.models import Account, Lease, TrackedProject
from worker.store.scheduling import claims

ALONE, BESIDE = "alone", "beside"
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_TABLE: Final[Any] = TrackedProject.__table__
_CLAIMED: Final = select(_TABLE.c.id, _TABLE.c.next_check_at, _TABLE.c.check_gap).where(
    _TABLE.c.lease_token.is_not(None)
)
_FREE: Final = dict.fromkeys(("lease_token", "leased_until", "claimed_at"))
_WARM_UP: Final = 60


@dataclass
class _Render:
    account: str
    random: Random
    start: float = 0.0
    end: float = 0.0


@dataclass
class Overload:
    """Two accounts with the same renders, and ``settling`` finished projects beside those of the second one.

    A render that is seen to have ended is followed by another one. ``settle_gaps`` are the gaps between the checks of a
    finished project, and ``rates`` what was learned of its credits; it begins again after the last check. At the start
    they are spread evenly over the time that this takes when each check comes late by half of its gap, as it does under
    a lasting overload.
    """

    kind: Type
    hazard: Hazard
    running: int
    settling: int
    rate: float
    settle_gaps: Sequence[float] = Plan.settle_gaps
    rates: SettlingRates | None = None
    seed: int = 0
    price: float = 1.25
    delays: dict[str, list[float]] = field(default_factory=lambda: {ALONE: [], BESIDE: []})
    requests: dict[str, int] = field(default_factory=lambda: {ALONE: 0, BESIDE: 0})
    longest_wait: float = 0.0

    @property
    def slowdown(self) -> float:
        """The mean delay beside settling projects, divided by the one without them."""
        return fmean(self.delays[BESIDE]) / fmean(self.delays[ALONE])

    def run(self, database: Database, seconds: int) -> "Overload":
        """Claim once a second; ``database`` has no projects yet."""
        seeds = range(self.seed, self.seed + max(self.running, self.settling))
        self._renders = [_Render(name, Random(at)) for name in (ALONE, BESIDE) for at in seeds[: self.running]]
        ages = list(accumulate(self.settle_gaps))
        self._ages = [ages_to_check(ages, self.rates, f"settling-{at}") for at in seeds[: self.settling]]
        self._settled = [0.0] * self.settling
        accounts = [{"name": name, "tokens": 0.0, "refilled_at": _START} for name in (ALONE, BESIDE)]
        rows = [self._running_row(at) for at in range(len(self._renders))]
        rows += [self._settling_row(at) for at in range(self.settling)]
        with database.write() as connection:
            connection.execute(insert(Account), accounts)
            connection.execute(insert(_TABLE), [{**row, **self._common(at)} for at, row in enumerate(rows)])
        for second in range(1, seconds + 1):
            self._tick(database, float(second))
        return self

    def _common(self, at: int) -> dict[str, Any]:
        return {
            "id": at + 1,
            "project_id": f"project-{at}",
            "kind": "video",
            "type": self.kind.name,
            "tracked_at": _START,
        }

    def _running_row(self, at: int) -> dict[str, Any]:
        render = self._renders[at]
        duration = self.kind.draw(render.random)
        render.start = -render.random.uniform(0, duration)
        render.end = render.start + duration
        # They have been due for a while, as under a lasting overload.
        planned = self._plan_running(render, -render.random.uniform(0, min(_WARM_UP, -render.start)))
        opened = {"status": "rendering", "opened_at": _START + timedelta(seconds=render.start)}
        return {"account": render.account, "state": "active", "transition_count": 1, **opened, **planned}

    def _settling_row(self, at: int) -> dict[str, Any]:
        seen = list(_late_by_half(self._ages[at]))
        elapsed = Random(self.seed + at).uniform(0, seen[-1])
        self._settled[at] = -elapsed
        planned = self._plan_settling(at, max(each for each in seen if each <= elapsed) - elapsed)
        finished = {"state": "settling", "status": "complete", "transition_count": 1}
        return {"account": BESIDE, **finished, **dict.fromkeys(("opened_at", "last_observed_at"), _START), **planned}

    def _begin(self, render: _Render, now: float) -> dict[str, Any]:
        render.start, render.end = now, now + self.kind.draw(render.random)
        at = _START + timedelta(seconds=now)
        return {"status": "rendering", "opened_at": at, **self._plan_running(render, now)}

    def _plan_running(self, render: _Render, now: float) -> dict[str, Any]:
        gap = next_gap(self.hazard, now - render.start, self.price, 0.5, 120.0)
        at = _START + timedelta(seconds=now)
        return {"last_observed_at": at, "next_check_at": at + timedelta(seconds=gap), "check_gap": gap}

    def _plan_settling(self, at: int, now: float) -> dict[str, Any]:
        elapsed = now - self._settled[at]
        gap = next(age for age in self._ages[at] if age > elapsed) - elapsed
        return {"next_check_at": _START + timedelta(seconds=now + gap), "check_gap": gap}

    def _tick(self, database: Database, now: float) -> None:
        at = _START + timedelta(seconds=now)
        known = Durations({("video", self.kind.name): self.hazard})
        limits = Limits(self.rate, burst=int(8 * self.rate))
        with patch.object(claims, "clock", lambda _: at), database.write() as connection:
            claims.claim_due(connection, limits, known, lease_seconds=60, batch_size=50, max_in_flight=10_000)
            rows = connection.execute(_CLAIMED).all()
            running = [self._see_running(row.id, now) for row in rows if row.id <= len(self._renders)]
            settling = [self._see_settling(row, now) for row in rows if row.id > len(self._renders)]
            for changes in filter(None, (running, settling)):
                names = [name for name in changes[0] if name != "_row"]
                values = {name: bindparam(name, type_=_TABLE.c[name].type) for name in names}
                statement = update(_TABLE).where(_TABLE.c.id == bindparam("_row")).values(**values, **_FREE)
                connection.execute(statement, changes)
            connection.execute(delete(Lease))

    def _see_running(self, row_id: int, now: float) -> dict[str, Any]:
        render = self._renders[row_id - 1]
        self.requests[render.account] += 1
        if now < render.end:
            opened_at = _START + timedelta(seconds=render.start)
            return {"_row": row_id, "status": "rendering", "opened_at": opened_at, **self._plan_running(render, now)}
        if now > _WARM_UP:
            self.delays[render.account].append(now - render.end)
        return {"_row": row_id, **self._begin(render, now)}

    def _see_settling(self, row: Any, now: float) -> dict[str, Any]:  # noqa: ANN401  a row
        at = row.id - len(self._renders) - 1
        overdue = now - (row.next_check_at - _START).total_seconds()
        self.longest_wait = max(self.longest_wait, 1 + overdue / row.check_gap)
        if now - self._settled[at] >= self._ages[at][-1]:
            self._settled[at] = now
        return {"_row": row.id, **self._plan_settling(at, now)}


def _late_by_half(ages: Sequence[float]) -> Iterator[float]:
    """Yield the ages of checks that each come late by half of the gap before them, from 0 on."""
    seen = 0.0
    yield seen
    for age in ages:
        if age > seen:
            seen = age + (age - seen) / 2
            yield seen
