"""The books: what was spent on which day, and that booking a day changes no sum."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import insert, select, text

from tests.store.world import answer, name, request, rows, seen, track
from worker.store.engine import Database, clock
from worker.store.ledger.daily_totals import close_days, closed_until, refunds_outstanding, spend
from worker.store.ledger.reports import read_spend
from worker.store.models import CreditAdjustment, CreditDailyTotal, TrackedProject
from worker.store.monitoring.invariants import violations
from worker.tracking.maintenance import close_past_days

Entry = tuple[int, str, int, int]
# Entries by age in days: a charge, a refund on a later day, an estimate that came down at completion.
OLD: list[Entry] = [(400, "charge", 100, 100), (398, "refund", -100, 0)]
NEW: list[Entry] = [(3, "estimate", 450, 450), (2, "final", -150, 300)]


@pytest.fixture
def put(database: Database) -> Callable[[int, list[Entry]], None]:
    """Store a project's ledger as if it had been recorded so many days ago."""

    def put(number: int, entries: list[Entry], **fields: object) -> None:
        track(database, request(number, **fields))
        with database.write() as connection:
            now = clock(connection)
            key = connection.scalar(select(TrackedProject.id).where(TrackedProject.project_id == name(number)))
            for sequence, (days, reason, amount, total) in enumerate(entries, start=1):
                values = {"reason": reason, "amount": amount, "total": total, "source": "poll", "sequence": sequence}
                at = now - timedelta(days=days)
                connection.execute(insert(CreditAdjustment).values(tracked_project_id=key, observed_at=at, **values))
            connection.execute(
                text("UPDATE tracked_projects SET credits_charged = :total, adjustment_count = :count WHERE id = :key"),
                {"total": entries[-1][3], "count": len(entries), "key": key},
            )

    return put


EXTREME = 2**63 - 1


@pytest.mark.parametrize("days", [0, 3])
def test_what_is_beyond_any_price_stops_neither_closing_nor_reports(
    database: Database, put: Callable[..., None], days: int
) -> None:
    for number in (1, 2):
        put(number, [(days, "charge", EXTREME, EXTREME)])
    put(3, [(days, "charge", -EXTREME - 1, -EXTREME - 1)])
    put(4, NEW)
    bounded = (5, 10**12 + 450, -150, 0, 10**12 + 300)
    assert total(database) == bounded
    assert close_past_days(database) > 0
    assert total(database) == bounded
    with database.read() as connection:
        since = clock(connection) - timedelta(days=9)
        assert sum(row["spent"] for row in read_spend(connection, since, 3600)) == 2 * 10**12 + 450
        assert not any(violations(connection).values())


def total(database: Database) -> tuple[int, ...]:
    with database.read() as connection:
        (row,) = spend(connection, ())
    return tuple(row.values())


def test_booking_days_changes_no_sum(database: Database, put: Callable[..., None]) -> None:
    put(1, OLD)
    put(2, NEW, account="studio")
    put(3, [(0, "charge", 7, 7)])
    with database.read() as connection:
        before = spend(connection, ("day", "account", "kind"))
    assert total(database) == (5, 557, -150, -100, 307)
    assert close_past_days(database) > 400
    with database.read() as connection:
        assert spend(connection, ("day", "account", "kind")) == before
        assert closed_until(connection) in {clock(connection).date(), clock(connection).date() - timedelta(days=1)}
    assert len(rows(database, select(CreditDailyTotal.day))) == 4
    assert close_past_days(database) == 0
    assert total(database) == (5, 557, -150, -100, 307)


def test_a_day_that_is_not_over_is_not_booked(database: Database, put: Callable[..., None]) -> None:
    put(1, [(0, "charge", 7, 7)])
    close_past_days(database)
    assert rows(database, select(CreditDailyTotal.day)) == []
    put(2, [(0, "charge", 8, 8)])
    assert total(database)[-1] == 15


def test_each_transaction_books_a_month_at_most(database: Database, put: Callable[..., None]) -> None:
    put(1, OLD)
    put(2, NEW)
    ends = []
    while True:
        with database.write() as connection:
            if not close_days(connection):
                break
            ends.append(closed_until(connection))
    assert len(ends) == 2, "the year without an entry is skipped"


def test_spend_by_every_dimension(database: Database, put: Callable[..., None]) -> None:
    put(1, OLD, kind="image")
    put(2, NEW, account="studio")
    with database.read() as connection:
        now = clock(connection)
        assert spend(connection, ("account", "kind")) == [
            {"account": "default", "kind": "image", "entries": 2, **sums(100, 0, -100)},
            {"account": "studio", "kind": "video", "entries": 2, **sums(450, -150, 0)},
        ]
        days = [row["day"] for row in spend(connection, ("day",), since=(now - timedelta(days=4)).date())]
        assert days == [(now - timedelta(days=age)).date().isoformat() for age in (3, 2)]
        assert (
            spend(connection, ("month",), until=(now - timedelta(days=300)).date())[0]["month"]
            == str((now - timedelta(days=400)).date())[:7]
        )
        with pytest.raises(ValueError, match="unknown dimension colour"):
            spend(connection, ("colour",))


def sums(charged: int, corrected: int, refunded: int) -> dict[str, int]:
    return {
        "charged_credits": charged,
        "corrected_credits": corrected,
        "refunded_credits": refunded,
        "net_credits": charged + corrected + refunded,
    }


def test_spend_by_customer(database: Database, put: Callable[..., None]) -> None:
    put(1, OLD, metadata={"customer": "acme", "order": 7})
    put(2, NEW, metadata={"customer": "zeta"})
    put(3, [(1, "charge", 5, 5)])
    with database.read() as connection:
        assert spend(connection, (), metadata_key="customer") == [
            {"value": "acme", "entries": 2, **sums(100, 0, -100)},
            {"value": "zeta", "entries": 2, **sums(450, -150, 0)},
        ]
        assert spend(connection, (), metadata_key="order") == [{"value": "7", "entries": 2, **sums(100, 0, -100)}]


def test_a_day_is_utc_and_has_its_last_second(database: Database) -> None:
    track(database, 1, 2)
    ends = [datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)]
    with database.write() as connection:
        for key, at in zip(connection.scalars(select(TrackedProject.id)).all(), ends, strict=True):
            values = {"reason": "charge", "amount": 5, "total": 5, "source": "poll", "sequence": 1}
            connection.execute(insert(CreditAdjustment).values(tracked_project_id=key, observed_at=at, **values))
    expected = [("2026-03-01", 5), ("2026-03-02", 5)]
    for _ in range(2):
        with database.read() as connection:
            assert [(row["day"], row["net_credits"]) for row in spend(connection, ("day",))] == expected
            (one,) = spend(connection, ("day",), date(2026, 3, 1), date(2026, 3, 2))
            assert one["day"] == "2026-03-01"
        close_past_days(database)


def test_refunds_outstanding_are_what_failed_and_still_costs(database: Database) -> None:
    track(database, 1)
    answer(database, seen("rendering", 450), seen("error", 450))
    with database.read() as connection:
        assert refunds_outstanding(connection) == {"projects": 1, "credits": 450}
    answer(database, seen("error", 50))
    with database.read() as connection:
        assert refunds_outstanding(connection) == {"projects": 1, "credits": 50}
    answer(database, seen("error", 0))
    with database.read() as connection:
        assert refunds_outstanding(connection) == {"projects": 0, "credits": 0}
