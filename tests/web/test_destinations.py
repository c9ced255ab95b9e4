"""Destinations in the API and on the pages: how they do, and pausing and resuming one."""

from urllib.parse import urlencode

import httpx
import pytest

from tests.store.world import hold, record, request, seen, stored, track
from tests.support.processes import wait_for
from tests.web.conftest import Served
from tests.web.test_pages import csrf, log_in
from worker.store.models import Destination, OperatorAction

URL = "https://hooks.example/services/T000/SECRET"


@pytest.fixture
def published(web: Served) -> Served:
    track(web.database, request(1))
    record(web.database, hold(web.database), seen("complete", 300), {"*": [URL]})
    return web


def test_a_program_pauses_and_resumes_one(published: Served, api: httpx.Client) -> None:
    (row,) = api.get("/v1/destinations").json()["data"]
    assert (row["destination"], row["paused"], row["waiting"], row["success_rate"]) == (URL, False, 2, None)
    for name, changed in ((URL, True), (row["shown"], False)):
        done = api.post("/v1/destinations/pause", params={"destination": name, "reason": "their deploy"})
        assert done.json() == {"destination": URL, "paused": True, "changed": changed}
    health = api.get("/v1/health").json()
    assert [(each["destination"], each["reason"], each["waiting"]) for each in health["paused_destinations"]] == [
        (row["shown"], "their deploy", 2)
    ]
    assert "destination" not in " ".join(finding["code"] for finding in health["findings"])
    assert api.post("/v1/destinations/resume", params={"destination": URL}).json()["paused"] is False
    assert api.post("/v1/destinations/pause", params={"destination": "celery:nobody"}).status_code == 404
    assert len(stored(published.database, Destination)) == 1
    for filtered in (URL, row["shown"]):
        assert len(api.get("/v1/deliveries", params={"destination": filtered}).json()["data"]) == 2


def test_a_person_pauses_and_resumes_one_and_sees_no_token(published: Served) -> None:
    with log_in(published, "read", "operate") as client:
        shown = client.get("/deliveries").text.partition("/deliveries/to?destination=")[2].partition('"')[0]
        page = f"/deliveries/to?destination={shown}"
        assert "Pause</button>" in client.get(page).text
        form = {"csrf": csrf(client), "destination": URL, "back": page, "reason": "their deploy"}
        done = client.post("/deliveries/pause", data=form, follow_redirects=True)
        assert "Paused: its events wait" in done.text
        wait_for(lambda: "is paused" in client.get("/").text, 30, "the pause on the overview")  # read every two seconds
        assert all(each in client.get("/").text for each in ("their deploy", "2 deliveries wait"))
        numbers = "".join(client.get(f"/deliveries/{number}").text for number in (1, 2))
        listed = client.get("/deliveries?" + urlencode({"destination": URL})).text
        for text in (
            done.text,
            numbers,
            listed,
            client.get("/audit").text,
            client.get("/projects/video/project-000001").text,
        ):
            assert "T000" not in text.replace(urlencode({"x": URL})[2:], "")
        assert "Resumed" in client.post("/deliveries/resume", data=form, follow_redirects=True).text
        assert client.get("/deliveries/to?destination=celery:nobody").status_code == 404
    assert [row["action"] for row in stored(published.database, OperatorAction)][-2:] == [
        "pause destination",
        "resume destination",
    ]


def test_who_may_only_read_pauses_nothing(published: Served) -> None:
    with log_in(published, "read") as client:
        form = {"csrf": csrf(client), "destination": URL}
        assert client.post("/deliveries/pause", data=form).status_code == 403
    with published.client("read") as client:
        assert client.post("/v1/destinations/pause", params={"destination": URL}).status_code == 403
    assert stored(published.database, Destination)[0]["paused"] is False
