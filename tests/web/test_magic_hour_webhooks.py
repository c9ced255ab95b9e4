"""Webhooks of Magic Hour: each makes its project due, and nothing else, whatever comes how often in which order."""

import hashlib
import hmac
import json
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update

from tests.store.world import answer, begin, claim, make_due, name, record, request, seen, track
from tests.support.processes import wait_for
from tests.web.conftest import Served, answer_all, served
from worker.settings import Settings
from worker.store.engine import Database, clock
from worker.store.intake import hints
from worker.store.models import PendingHint, StatusTransition, TrackedProject
from worker.store.monitoring.webhook_counts import last_webhooks
from worker.store.types import Now

SECRET, NEXT_SECRET = "whsec_of-the-tests", "whsec_of-the-next-year"
FORGED = "whsec_of-somebody-else"
SECRETS = {"default": [SECRET, NEXT_SECRET], "studio": SECRET}


def post(  # noqa: PLR0913  what tests vary
    web: Served,
    project: int | str = 1,
    event: str = "video.completed",
    *,
    account: str = "default",
    secret: str = SECRET,
    age: float = 0,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    """Send a webhook as Magic Hour does."""
    payload = {"id": name(project) if isinstance(project, int) else project, "status": "complete"}
    content = json.dumps({"type": event, "payload": payload}).encode() if body is None else body
    timestamp = str(int(time.time() - age))
    signature = hmac.new(secret.encode(), timestamp.encode() + b"." + content, hashlib.sha256).hexdigest()
    signed = {"magic-hour-event-timestamp": timestamp, "magic-hour-event-signature": signature}
    url = f"{web.url}/hooks/magic-hour/{account}"
    return httpx.post(url, content=content, headers=signed | (headers or {}), trust_env=False, timeout=20)


def outcome(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    return str(response.json()["outcome"])


def row(database: Database, number: int = 1) -> Any:  # noqa: ANN401  a row
    with database.read() as connection:
        found = select(TrackedProject.__table__, Now().label("now")).where(TrackedProject.project_id == name(number))
        return connection.execute(found).one()


def defer(database: Database) -> None:
    """Let the next check of every open project be far away."""
    with database.write() as connection:
        far = clock(connection).replace(year=2100)
        connection.execute(update(TrackedProject).where(TrackedProject.state != "closed").values(next_check_at=far))


def kept(database: Database) -> int:
    with database.read() as connection:
        return connection.scalar(select(func.count()).select_from(PendingHint)) or 0


@pytest.fixture
def hooked(database: Database) -> Iterator[Served]:
    with served(database, magic_hour_webhook_secrets=SECRETS) as web:
        yield web


def test_a_webhook_makes_its_project_due_and_the_end_it_brings_says_so(hooked: Served) -> None:
    database = hooked.database
    track(database, 1)
    answer(database, seen("rendering"))
    defer(database)
    assert outcome(post(hooked)) == "accepted"
    assert row(database).next_check_at <= row(database).now
    (batch,) = claim(database)
    lease = begin(database, batch.token)
    assert lease
    record(database, lease, seen("complete"))
    with database.read() as connection:
        assert list(connection.scalars(select(StatusTransition.source).order_by(StatusTransition.id))) == [
            "poll",
            "hint",
        ]
    assert row(database).hinted_at is None


def test_a_webhook_during_a_check_lets_the_project_be_checked_once_more(hooked: Served) -> None:
    database = hooked.database
    track(database, 1)
    answer(database, seen("rendering"))
    make_due(database)
    (batch,) = claim(database)
    lease = begin(database, batch.token)
    assert lease
    assert outcome(post(hooked)) == "accepted"
    record(database, lease, seen("rendering"))  # the answer was on its way already
    after = row(database)
    assert after.next_check_at <= after.now
    assert after.lease_token is None


def test_what_tells_nothing_new_writes_nothing(hooked: Served) -> None:
    database = hooked.database
    track(database, 1, 2, 3, request(4, account="studio"))
    answer_all(database, seen("rendering"))
    defer(database)
    assert outcome(post(hooked, 1)) == "accepted"
    with database.write() as connection:
        connection.execute(update(TrackedProject).where(TrackedProject.project_id == name(3)).values(status="complete"))
    before = [row(database, number)[:-1] for number in (1, 2, 3, 4)]
    with ThreadPoolExecutor(8) as pool:
        assert {outcome(each) for each in pool.map(lambda _: post(hooked, 1), range(40))} == {"repeated"}  # due
    assert outcome(post(hooked, 2, "video.started")) == "repeated"  # seen already
    assert outcome(post(hooked, 3)) == "repeated"  # seen already
    assert outcome(post(hooked, 3, "video.started")) == "repeated"  # passed
    assert outcome(post(hooked, 4)) == "repeated"  # another account's
    assert [row(database, number)[:-1] for number in (1, 2, 3, 4)] == before


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"secret": FORGED}, 401),
        ({"age": 301}, 401),
        ({"age": -302}, 401),
        ({"headers": {"magic-hour-event-signature": "0" * 63}}, 401),
        ({"headers": {"magic-hour-event-timestamp": "soon"}}, 401),
        ({"account": "nobody"}, 404),
        ({"account": "studio/more"}, 404),
        ({"account": "studio"}, 401),
        ({"body": b"{}"}, 422),
        ({"body": b"x" * 300_000}, 413),
    ],
)
def test_forged_and_malformed_ones_write_nothing(hooked: Served, changed: dict[str, Any], status: int) -> None:
    database = hooked.database
    track(database, 1)
    answer(database, seen("rendering"))
    defer(database)
    secret = {"secret": FORGED} if changed.get("account") == "studio" else {}
    before = row(database)[:-1]
    refused = post(hooked, **(changed | secret))
    assert refused.status_code == status
    assert refused.headers["content-type"] == "application/problem+json"
    assert SECRET not in refused.text
    assert row(database)[:-1] == before
    assert kept(database) == 0


def test_repeated_headers_and_other_methods_are_refused(hooked: Served) -> None:
    url = f"{hooked.url}/hooks/magic-hour/default"
    twice = [("magic-hour-event-timestamp", "1"), ("magic-hour-event-timestamp", "2")]
    assert httpx.post(url, headers=twice, trust_env=False).status_code == 401
    refused = httpx.get(url, trust_env=False)
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")


def test_both_secrets_of_a_rotation_count(hooked: Served) -> None:
    track(hooked.database, 1)
    assert outcome(post(hooked, secret=SECRET)) == "repeated"
    assert outcome(post(hooked, secret=NEXT_SECRET)) == "repeated"


def test_an_event_before_its_tracking_request_is_kept_until_then(hooked: Served) -> None:
    database = hooked.database
    for _ in range(3):
        assert outcome(post(hooked, 7)) == "unknown"
    assert outcome(post(hooked, 8, account="studio")) == "unknown"
    assert kept(database) == 2
    track(database, 7, 8)
    assert row(database, 7).hinted_at is not None
    assert row(database, 8).hinted_at is None  # another account's webhook
    assert kept(database) == 1


def test_kept_ones_are_bounded_in_number_and_time(hooked: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    database = hooked.database
    monkeypatch.setattr(hints, "MOST_KEPT", 20)
    monkeypatch.setattr(hints, "_ROOM", 5)
    for number in range(30):
        post(hooked, number)
    assert 15 <= kept(database) <= 20
    with database.write() as connection:
        newest = connection.scalars(select(PendingHint.project_id).order_by(PendingHint.received_at.desc())).first()
        assert newest == name(29)
        assert hints.delete_old_hints(connection, clock(connection)) == 0
        assert hints.delete_old_hints(connection, clock(connection) + hints.KEPT_FOR) > 0
    assert kept(database) == 0


def test_unknown_projects_become_tracked_where_the_settings_say_so(database: Database) -> None:
    with served(database, magic_hour_webhook_secrets=SECRETS, track_from_webhooks=True) as web:
        assert outcome(post(web, 7)) == "tracked"
        assert outcome(post(web, 7)) == "repeated"
    assert row(database, 7).tracked_by == "webhook of Magic Hour"
    assert kept(database) == 0


def test_events_about_something_else_are_taken_and_ignored(hooked: Served) -> None:
    assert outcome(post(hooked, event="account.updated")) == "other"


def test_webhooks_are_counted_by_account_and_outcome(hooked: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="renderwatch.web.webhooks")
    track(hooked.database, 1)
    for _ in range(5):
        post(hooked, secret=FORGED)
    post(hooked, account="nobody")
    with hooked.database.read() as connection:
        assert "default" not in last_webhooks(connection)  # forgeries do not count as signs of life
    post(hooked)
    post(hooked, 2, account="studio")

    def counted() -> bool:
        lines = client.get("/metrics").text.splitlines()
        return {line for line in lines if line.startswith("renderwatch_webhooks_received_total{")} == {
            'renderwatch_webhooks_received_total{account="default",outcome="refused"} 5.0',
            'renderwatch_webhooks_received_total{account="default",outcome="repeated"} 1.0',
            'renderwatch_webhooks_received_total{account="studio",outcome="unknown"} 1.0',
        }

    with hooked.client("metrics") as client:
        wait_for(counted, 20, "the counts are in /metrics")
    with hooked.database.read() as connection:
        assert last_webhooks(connection).keys() == {"default", "studio"}
    warnings = [each for each in caplog.records if each.name == "renderwatch.web.webhooks"]
    assert len(warnings) == 1  # five forgeries within a minute
    assert SECRET not in warnings[0].getMessage()


def test_the_secrets_are_in_no_repr_and_must_be_usable() -> None:
    settings = Settings(magic_hour_webhook_secrets=SECRETS)  # type: ignore[arg-type]  # as the environment has them
    assert SECRET not in repr(settings)
    unusable: list[Any] = [{"default": []}, {"default": ["a" * 8] * 3}, {"default": "short"}, {"Not A Name": SECRET}]
    for wrong in unusable:
        with pytest.raises(ValueError, match="magic_hour_webhook_secrets"):
            Settings(magic_hour_webhook_secrets=wrong)
