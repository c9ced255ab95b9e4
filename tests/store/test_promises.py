"""The promises, whatever happens in whatever order: intake, claims, answers, stale leases, repeats, news, and time.

RENDERWATCH_EXAMPLES=1000 looks harder than CI does.
"""

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.store.deliveries import claiming as deliveries
from tests.store.row_checks import assert_sound
from tests.store.world import ROUTES, begin, claim, fill, name, older, pass_time, record, request, seen, stored, track
from tests.support.services import postgres_database
from worker.domain.deliveries.due import DueDelivery
from worker.domain.projects.observation import Answer, CheckFailure, FailureKind, Observation, ProjectError
from worker.domain.scheduling.rate_limit import Limits
from worker.store.engine import Database
from worker.store.models import CreditAdjustment, Delivery, Event, StatusTransition, TrackedProject
from worker.store.monitoring.invariants import violations
from worker.store.projects import operator_actions
from worker.store.scheduling.leases import Batch, Lease

LIMITS: Final = Limits(rate=0.5, burst=8)
HISTORY: Final = (StatusTransition, CreditAdjustment, Event)
EXAMPLES: Final = int(os.environ.get("RENDERWATCH_EXAMPLES", "25"))

numbers = st.integers(1, 4)
statuses = st.sampled_from(["draft", "queued", "rendering", "complete", "error", "canceled", "upscaling"])
observations = st.builds(
    seen,
    statuses,
    st.sampled_from([0, 120, 300, 450, -1]),
    enabled=st.sampled_from([True, True, True, False]),
    error=st.sampled_from([None, ProjectError("NO_FACE", "no face found")]),
)
troubles = st.builds(CheckFailure, st.sampled_from(FailureKind), st.just("trouble"), st.sampled_from([None, 5.0]))
answers = st.one_of(observations, observations, troubles)
moments = st.sampled_from([0.5, 5.0, 61.0, 700.0, 4_000.0, 90_000.0, 700_000.0])


class Promises(RuleBasedStateMachine):
    """Renderwatch with a handful of projects. Batches, leases and deliveries are kept, and used again when old."""

    open_database: Callable[[], AbstractContextManager[Database]]

    @initialize()
    def start(self) -> None:
        self.context = self.open_database()
        self.database = self.context.__enter__()
        self.batches: list[Batch] = []
        self.leases: list[Lease] = []
        self.sending: list[DueDelivery] = []
        self.past: dict[str, list[dict[str, Any]]] = {model.__tablename__: [] for model in HISTORY}
        self.passed = 0.0
        self.sent: list[tuple[float, int]] = []
        track(self.database, 1, 2, 3)
        fill(self.database, LIMITS.bucket)

    def teardown(self) -> None:
        self.context.__exit__(None, None, None)

    @rule(each=st.lists(numbers, min_size=1, max_size=4), price=st.sampled_from([None, 450]))
    def hand_over(self, each: list[int], price: int | None) -> None:
        track(self.database, *[request(number, credits_charged=price) for number in each])

    @rule(size=st.integers(1, 3), seconds=moments)
    def dispatch(self, size: int, seconds: float) -> None:
        self.wait(seconds)
        self.batches += claim(self.database, LIMITS, batch_size=size, full=False)

    @precondition(lambda self: self.batches)
    @rule(data=st.data())
    def receive_a_message(self, data: st.DataObject) -> None:
        """Some are received twice, some late, some never."""
        self._begin(data.draw(st.sampled_from(self.batches)))

    def _begin(self, batch: Batch) -> Lease | None:
        lease = begin(self.database, batch.token)
        if lease:
            self.leases.append(lease)
            self.sent.append((self.passed + time.monotonic(), len(lease.claims)))
        return lease

    @rule(data=st.data(), seconds=moments)
    def check_as_planned(self, data: st.DataObject, seconds: float) -> None:
        self.dispatch(3, seconds)
        if self.batches and (lease := self._begin(self.batches[-1])):
            self._record(lease, data)

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def record_answers(self, data: st.DataObject) -> None:
        """Some are recorded twice, and some after somebody else has asked again."""
        self._record(data.draw(st.sampled_from(self.leases)), data)

    def _record(self, lease: Lease, data: st.DataObject) -> None:
        given: dict[int, Answer] = {
            held.id: data.draw(answers) for held in lease.claims if data.draw(st.integers(0, 5))
        }
        before = {row["id"]: row for row in stored(self.database, TrackedProject)}
        mine = {id_ for id_, row in before.items() if row["lease_token"] == lease.token}
        recorded = record(self.database, lease, given)
        after = {row["id"]: row for row in stored(self.database, TrackedProject)}
        assert (recorded.checked, recorded.lost) == (len(given.keys() & mine), len(given.keys() - mine))
        for id_, row in after.items():
            if id_ not in mine:
                assert row == before[id_]
            elif isinstance(seen_now := given.get(id_), Observation):
                self._assert_taken_over(row, seen_now)

    def _assert_taken_over(self, row: dict[str, Any], answer: Observation) -> None:
        assert row["status"] == answer.status
        if answer.enabled:
            assert row["credits_charged"] == answer.credits_charged
        else:
            assert (row["state"], row["close_reason"] in {"deleted", "untracked"}) == ("closed", True)

    @rule(number=numbers)
    def ask_for_a_check(self, number: int) -> None:
        with self.database.write() as connection:
            operator_actions.recheck(connection, None, [name(number)], "tests", None)

    @rule(number=numbers)
    def lose_interest(self, number: int) -> None:
        with self.database.write() as connection:
            operator_actions.untrack(connection, None, [name(number)], "tests", None)

    @rule()
    def take_news(self) -> None:
        taken = deliveries.claim(self.database, limit=3)
        assert len({delivery.id for delivery in taken}) == len(taken)
        self.sending += taken

    @precondition(lambda self: self.sending)
    @rule(data=st.data(), arrived=st.booleans())
    def finish_sending(self, data: st.DataObject, arrived: bool) -> None:  # noqa: FBT001  hypothesis names it
        delivery = data.draw(st.sampled_from(self.sending))
        (deliveries.sent if arrived else deliveries.failed)(self.database, [delivery])

    @rule(seconds=moments)
    def wait(self, seconds: float) -> None:
        pass_time(self.database, seconds)
        self.leases = [older(lease, seconds) for lease in self.leases]
        self.passed += seconds

    @invariant()
    def everything_is_sound(self) -> None:
        assert_sound(self.database, ROUTES)
        with self.database.read() as connection:
            assert not any(violations(connection).values())

    @invariant()
    def history_only_grows(self) -> None:
        for model in HISTORY:
            rows = stored(self.database, model)
            kept = {row["id"]: row for row in rows}
            assert all(kept.get(row["id"]) == row for row in self.past[model.__tablename__])
            self.past[model.__tablename__] = rows

    @invariant()
    def one_end_makes_one_piece_of_news(self) -> None:
        ends = ("project.completed", "project.failed", "project.canceled")
        told = Counter(event["tracked_project_id"] for event in stored(self.database, Event) if event["type"] in ends)
        assert set(told.values()) <= {1}
        pairs = Counter((row["event_id"], row["destination"]) for row in stored(self.database, Delivery))
        assert set(pairs.values()) <= {1}

    @invariant()
    def the_rate_is_kept(self) -> None:
        """In any window of W seconds: at most rate x W + burst requests. A millisecond is what clocks may differ."""
        if self.sent:
            end = self.sent[-1][0]
            total = 0
            for start, requests in reversed(self.sent):
                total += requests
                assert total <= LIMITS.rate * (end - start + 0.001) + LIMITS.burst


def look(open_database: Callable[[], AbstractContextManager[Database]]) -> None:
    machine = type("Machine", (Promises,), {"open_database": staticmethod(open_database)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_on_sqlite(migrated_sqlite: Path, tmp_path: Path) -> None:
    number = count()

    @contextmanager
    def fresh() -> Iterator[Database]:
        path = tmp_path / f"{next(number)}.db"
        shutil.copy(migrated_sqlite, path)
        database = Database(f"sqlite:///{path}")
        yield database
        database.close()
        path.unlink()

    look(fresh)


@pytest.mark.timeout(600)
def test_on_postgresql(postgres: str, migrated_postgres: str) -> None:
    @contextmanager
    def fresh() -> Iterator[Database]:
        with postgres_database(postgres, migrated_postgres) as url:
            database = Database(url)
            yield database
            database.close()

    look(fresh)
