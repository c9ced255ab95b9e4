"""What accounts can spend now, and when it is used up."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.store.world import answer, request, seen, track
from worker.domain.account_balance import runs_out_at
from worker.store.engine import Database, clock
from worker.store.ledger.balance_forecast import forecast_balances
from worker.store.ledger.balances import save_balance

NOW = datetime(2026, 11, 28, tzinfo=UTC)


@pytest.mark.parametrize(
    ("credits_", "spent", "days"),
    [(700, 700, 7), (100, 700, 1), (0, 700, 0), (-5, 0, 0), (700, 0, None), (700, -10, None), (10**9, 1, None)],
)
def test_a_balance_is_used_up_at_the_pace_of_the_last_seven_days(credits_: int, spent: int, days: int | None) -> None:
    assert runs_out_at(credits_, spent, NOW) == (None if days is None else NOW + timedelta(days=days))


def test_what_was_spent_since_the_sample_is_taken_off(database: Database) -> None:
    with database.write() as connection:
        assert forecast_balances(connection, clock(connection)) == []
    track(database, request(1, credits_charged=100))
    with database.write() as connection:
        save_balance(connection, "default", 1000)
    answer(database, seen("complete", 140))
    with database.read() as connection:
        now = clock(connection)
        (found,) = forecast_balances(connection, now)
    assert (found["account"], found["credits"], found["spent"]) == ("default", 960, 140)
    assert found["runs_out_at"] == now + timedelta(days=7) * (960 / 140)
