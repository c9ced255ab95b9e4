"""Bad rows that the database refuses, whoever writes them."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

import pytest
from sqlalchemy import Connection, insert
from sqlalchemy.exc import IntegrityError

from tests.support.services import postgres_database
from worker.store.engine import make_engine
from worker.store.models import Base

NOW = datetime(2026, 9, 25, 12, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)
GOOD: dict[str, dict[str, Any]] = {
    "accounts": {"name": "default", "tokens": 0.0, "refilled_at": NOW},
    "tracked_projects": {
        "kind": "video",
        "project_id": "project-1",
        "account": "default",
        "tracked_at": NOW,
        "opened_at": NOW,
        "next_check_at": NOW,
    },
    "status_transitions": {
        "tracked_project_id": 1,
        "sequence": 1,
        "to_status": "queued",
        "observed_at": NOW,
        "source": "poll",
    },
    "credit_adjustments": {
        "tracked_project_id": 1,
        "sequence": 1,
        "reason": "estimate",
        "amount": 450,
        "total": 450,
        "observed_at": NOW,
        "source": "poll",
    },
    "events": {
        "id": "1",
        "tracked_project_id": 1,
        "sequence": 1,
        "type": "project.completed",
        "dedup_key": "finished",
        "payload": {},
        "created_at": NOW,
    },
    "deliveries": {"event_id": "1", "destination": "celery:a.b", "next_attempt_at": NOW, "created_at": NOW},
}
LEASE = {"lease_token": "t", "leased_until": NOW, "claimed_at": NOW}
CLOSED = {"state": "closed", "close_reason": "settled", "closed_at": NOW, "next_check_at": None}

FINE: list[tuple[str, dict[str, Any]]] = [
    ("tracked_projects", LEASE),
    ("tracked_projects", CLOSED),
    ("tracked_projects", CLOSED | {"next_check_at": NOW}),
    ("tracked_projects", {"status": "a word of the future", "transition_count": 1}),
    ("tracked_projects", {"credits_charged": -(2**62), "adjustment_count": 1}),
    ("tracked_projects", {"credits_charged": 0, "adjustment_count": 1}),
    ("status_transitions", {"sequence": 2, "from_status": "draft"}),
    ("status_transitions", {"observed_after": NOW}),
    ("credit_adjustments", {"amount": 0, "total": 0}),
    ("credit_adjustments", {"amount": -5, "total": -5, "flagged": True}),
    ("credit_adjustments", {"sequence": 2, "reason": "refund", "amount": -450, "total": 0, "corrects": 1}),
    ("deliveries", {"state": "sent", "sent_at": NOW}),
    ("deliveries", {"state": "failed", "sent_at": NOW}),
    ("deliveries", {"state": "confirmed", "sent_at": NOW, "confirmed_at": NOW}),
]
BAD: list[tuple[str, dict[str, Any]]] = [
    ("accounts", {"rate_factor": 0}),
    ("accounts", {"rate_factor": 1.1}),
    ("tracked_projects", {"kind": "music"}),
    ("tracked_projects", {"account": "nobody"}),
    ("tracked_projects", {"state": "done"}),
    ("tracked_projects", {"next_check_at": None}),
    ("tracked_projects", {"state": "closed"}),
    ("tracked_projects", CLOSED | {"close_reason": None}),
    ("tracked_projects", CLOSED | {"closed_at": None}),
    ("tracked_projects", CLOSED | {"close_reason": "boredom"}),
    ("tracked_projects", CLOSED | {"state": "settling", "next_check_at": NOW}),
    ("tracked_projects", {"closed_at": NOW}),
    ("tracked_projects", LEASE | {"lease_token": None}),
    ("tracked_projects", LEASE | {"leased_until": None}),
    ("tracked_projects", LEASE | {"claimed_at": None}),
    ("tracked_projects", {"credits_charged": 450}),
    ("tracked_projects", {"adjustment_count": 1}),
    ("tracked_projects", {"status": "queued"}),
    ("tracked_projects", {"transition_count": 1}),
    ("status_transitions", {"tracked_project_id": 2}),
    ("status_transitions", {"sequence": 0}),
    ("status_transitions", {"sequence": 2}),
    ("status_transitions", {"from_status": "draft"}),
    ("status_transitions", {"sequence": 2, "from_status": "queued"}),
    ("status_transitions", {"to_status": None}),
    ("status_transitions", {"observed_after": LATER}),
    ("status_transitions", {"source": "guess"}),
    ("credit_adjustments", {"tracked_project_id": 2}),
    ("credit_adjustments", {"sequence": 0}),
    ("credit_adjustments", {"amount": 449}),
    ("credit_adjustments", {"sequence": 2, "amount": 0}),
    ("credit_adjustments", {"reason": "gift"}),
    ("credit_adjustments", {"reason": "refund"}),
    ("credit_adjustments", {"corrects": 1}),
    ("credit_adjustments", {"observed_after": LATER}),
    ("credit_adjustments", {"source": "guess"}),
    ("events", {"tracked_project_id": 2}),
    ("deliveries", {"event_id": "2"}),
    ("deliveries", {"state": "lost"}),
    ("deliveries", {"state": "sent"}),
    ("deliveries", {"state": "confirmed", "sent_at": NOW}),
]
ONLY_ONCE: list[tuple[str, dict[str, Any]]] = [
    ("tracked_projects", {"account": "default"}),
    ("status_transitions", {"to_status": "rendering"}),
    ("credit_adjustments", {"total": 1, "amount": 1}),
    ("events", {"id": "2", "dedup_key": "started", "sequence": 1}),
    ("events", {"id": "2", "dedup_key": "finished", "sequence": 2}),
    ("deliveries", {"next_attempt_at": LATER}),
]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One database for all cases: each is rolled back."""
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("constraints") / "renderwatch.db"
        shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
        yield f"sqlite:///{path}"
        return
    server, template = request.getfixturevalue("postgres"), request.getfixturevalue("migrated_postgres")
    with postgres_database(server, template) as copy:
        yield copy


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    engine = make_engine(url)
    with engine.connect() as connection:
        yield connection
        connection.rollback()
    engine.dispose()


def store(connection: Connection, table: str, **values: Any) -> None:  # noqa: ANN401  any column
    id_ = {} if {"name", "id"} & GOOD[table].keys() or "id" in values else {"id": 1}
    connection.execute(insert(Base.metadata.tables[table]).values(GOOD[table] | id_ | values))


def store_what_it_needs(connection: Connection, table: str) -> None:
    for other in takewhile(lambda other: other != table, GOOD):
        store(connection, other)


@pytest.mark.parametrize(("table", "values"), [*((table, {}) for table in GOOD), *FINE])
def test_rows_that_make_sense_are_stored(connection: Connection, table: str, values: dict[str, Any]) -> None:
    store_what_it_needs(connection, table)
    store(connection, table, **values)


@pytest.mark.parametrize(("table", "values"), BAD)
def test_rows_that_make_no_sense_are_refused(connection: Connection, table: str, values: dict[str, Any]) -> None:
    store_what_it_needs(connection, table)
    with pytest.raises(IntegrityError):
        store(connection, table, **values)


@pytest.mark.parametrize(("table", "values"), ONLY_ONCE)
def test_what_must_be_there_once_is_refused_twice(connection: Connection, table: str, values: dict[str, Any]) -> None:
    store_what_it_needs(connection, table)
    store(connection, table)
    with pytest.raises(IntegrityError, match=r"(?i)unique"):
        store(connection, table, **{"id": 2} | values)
