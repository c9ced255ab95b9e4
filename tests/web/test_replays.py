"""Replaying everything that matches a filter: counted, confirmed, bounded, and only to destinations that are known."""

import httpx
import pytest
from sqlalchemy import update

from tests.store.world import hold, record, request, seen, stored, track
from tests.web.conftest import Served
from tests.web.test_pages import csrf, log_in
from worker.store.models import Delivery, OperatorAction

ONE = "celery:one.task"
URL = "https://hooks.example/services/T000/SECRET"


@pytest.fixture
def published(web: Served) -> Served:
    """Two projects with two events each, sent to two destinations."""
    track(web.database, request(1), request(2))
    record(web.database, hold(web.database), seen("complete", 300), {"*": [ONE, URL]})
    with web.database.write() as connection:
        connection.execute(update(Delivery).values(state="sent", sent_at=Delivery.created_at, attempts=1))
    return web


def pending(web: Served) -> list[tuple[str, str]]:
    return [(row["destination"], row["state"]) for row in stored(web.database, Delivery) if row["state"] == "pending"]


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"type": "project.completed"}, 4),
        ({"type": "project.completed", "destination": ONE}, 2),
        ({"project_id": "project-000001", "kind": "video"}, 4),
        ({"state": "dead"}, 0),
        ({"since": "2020-01-01T00:00:00Z"}, 8),
        ({"until": "2020-01-01T00:00:00Z"}, 0),
    ],
)
def test_what_matches_is_listed_and_counted(
    published: Served, api: httpx.Client, filters: dict[str, str], count: int
) -> None:
    assert len(api.get("/v1/deliveries", params=filters).json()["data"]) == count
    counted = api.get("/v1/deliveries/count", params=filters).json()
    assert counted["count"] == count
    assert counted["last"] <= len(stored(published.database, Delivery))


def test_what_was_counted_is_sent_again_and_no_later_one(published: Served, api: httpx.Client) -> None:
    wanted = {"type": "project.completed", "destination": ONE, "last": "4", "reason": "they asked"}
    assert api.post("/v1/deliveries/matching/replay", params=wanted).json() == {"replayed": 1, "next_after": None}
    assert pending(published) == [(ONE, "pending")]
    assert stored(published.database, OperatorAction)[-1]["reason"] == "they asked"


def test_without_a_filter_or_a_count_nothing_is_sent(published: Served, api: httpx.Client) -> None:
    assert api.post("/v1/deliveries/matching/replay", params={"last": 9}).json()["code"] == "no_filter"
    assert api.post("/v1/deliveries/matching/replay", params={"state": "sent"}).status_code == 422
    assert api.get("/v1/deliveries", params={"stat": "sent"}).json()["code"] == "unknown_parameter"
    assert pending(published) == []


def test_events_go_to_known_destinations_only(published: Served, api: httpx.Client) -> None:
    wanted = {"type": "project.completed", "destination": ONE, "last": "99"}
    for unknown in ("https://evil.example/x", "celery:evil.task", "nonsense"):
        assert api.post("/v1/deliveries/matching/replay", params={**wanted, "to": unknown}).status_code == 422
    shown = next(row["shown"] for row in api.get("/v1/destinations").json()["data"] if row["destination"] == URL)
    for known in (shown, "celery:studio.repair"):  # the second is allowed by RENDERWATCH_NOTIFY_ALLOW
        assert api.post("/v1/deliveries/matching/replay", params={**wanted, "to": known}).json()["replayed"] == 2
    assert sorted(pending(published)) == [("celery:studio.repair", "pending")] * 2 + [(URL, "pending")] * 2


def test_a_person_replays_what_matches_after_seeing_how_many(published: Served) -> None:
    with log_in(published, "read", "operate") as client:
        page = client.get("/deliveries", params={"type": "project.completed", "destination": ONE}).text
        assert "Replay everything that matches" in page
        assert "Replay everything that matches" not in client.get("/deliveries").text
        form = {
            "csrf": csrf(client),
            "every": "matching",
            "type": "project.completed",
            "destination": ONE,
            "back": "/deliveries",
        }
        asked = client.post("/deliveries/replay", data=form).text
        assert "Send 2 deliveries again?" in asked
        assert "SECRET" not in asked
        assert pending(published) == []
        refused = client.post(
            "/deliveries/replay", data={**form, "sure": "yes", "last": "99", "to": "celery:evil.task"}
        )
        assert refused.status_code == 400
        done = client.post("/deliveries/replay", data={**form, "sure": "yes", "last": "99"}, follow_redirects=True)
        assert "Sent again with the next sweep (2)" in done.text
        assert len(pending(published)) == 2
        everything = client.post("/deliveries/replay", data={"csrf": form["csrf"], "every": "matching"})
        assert (everything.status_code, "set a filter" in everything.text) == (400, True)
        assert client.get("/deliveries?since=yesterday").status_code == 400
