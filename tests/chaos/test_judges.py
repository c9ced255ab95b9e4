"""The judges of a chaos run see what they shall see."""

import pytest
from sqlalchemy import text

from tests.celery.world import Store
from tests.chaos import secrets
from tests.chaos.windows import excess
from worker.store.engine import Database

KEY = "mhk_live_key-of-the-tests"
LINK = "https://videos.example.com/x.mp4?X-Goog-Algorithm=GOOG4&X-Goog-Signature=0123"


@pytest.mark.parametrize(
    ("times", "over"),
    [
        ([], -5),
        ([0.0] * 5, 0),
        ([0.0] * 6, 1),
        ([0.0] * 5 + [1.0] * 10, 5),
        ([0.0] * 5 + [0.5] * 5, 0),
        ([float(second) for second in range(100)], -4),
        ([50.0] * 7 + [float(second) for second in range(50)], 2),
    ],
)
def test_the_worst_window_is_found(times: list[float], over: float) -> None:
    assert excess(times, rate=10, burst=5) == pytest.approx(over)


def test_a_key_or_a_signed_link_is_found_in_a_log() -> None:
    logs = {"a.log": f"fine\nAuthorization: {KEY}\n", "b.log": f"GET {LINK}\n", "c.log": "nothing\n"}
    assert secrets.in_logs([KEY], logs) == ["a.log, line 2", "b.log, line 1"]


def test_a_key_or_a_signed_link_is_found_in_any_row_but_downloads_may_have_links(database: Database) -> None:
    store = Store(database)
    assert secrets.in_rows([KEY], store) == []
    with database.write() as connection:
        for request in (f"key {KEY}", f"link {LINK}"):
            connection.execute(
                text("INSERT INTO rejected_requests (request, reason, rejected_at) VALUES (:request, 'x', :at)"),
                {"request": request, "at": "2026-01-01 00:00:00+00:00"},
            )
    assert secrets.in_rows([KEY], store) == ["rejected_requests.request"] * 2
