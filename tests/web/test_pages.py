"""The dashboard without a browser: every page, with and without data, and what guards it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import update

from tests.store.world import name, request, seen, stored, track
from tests.web.conftest import Served, answer_all, token_for
from worker.domain.observation import ProjectError
from worker.store.engine import clock
from worker.store.models import Account, Delivery, OperatorAction, TrackedProject
from worker.store.tokens import revoke_token
from worker.web.pages.forms import inner_path
from worker.web.words import redacted

NO_FACE = ProjectError("no_source_face", "no face <b>here</b>")
PAGES = [
    "/",
    "/projects",
    "/projects?state=open&sort=due",
    "/projects?text=order:4711",
    "/projects?text=nothing+like+it",
    "/projects?sort=credits",
    "/credits",
    "/credits?period=30d&by=order",
    "/deliveries",
    "/deliveries?state=dead",
    "/failures",
    "/failures?period=24h",
    "/accounts",
    "/check-times",
    "/settings",
    "/audit",
]


@contextmanager
def log_in(web: Served, *scopes: str, name: str = "ann") -> Iterator[httpx.Client]:
    with httpx.Client(base_url=web.url, trust_env=False, timeout=60) as client:
        token = token_for(web.database, *scopes, name=name)
        answer = client.post("/login", data={"token": token, "next": "/projects"})
        assert (answer.status_code, answer.headers.get("location")) == (303, "/projects"), answer.text
        yield client


def csrf(client: httpx.Client) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', client.get("/audit").text)
    assert found
    return found[1]


def kill_deliveries(web: Served) -> None:
    with web.database.write() as connection:
        connection.execute(update(Delivery).values(state="dead", last_error="OperationalError: refused", attempts=9))


def pause(web: Served) -> None:
    with web.database.write() as connection:
        until = clock(connection) + timedelta(hours=1)
        connection.execute(update(Account).values(paused_until=until, pause_reason="unauthorized"))


@pytest.fixture
def lively(web: Served) -> Served:
    """With a project of every kind of ending, deliveries, and a pause."""
    track(web.database, *(request(n, metadata={"order": 4700 + n}) for n in range(1, 13)))
    answer_all(web.database, seen("queued"), seen("rendering", name="Summer sale", type="TEXT_TO_VIDEO"))
    answer_all(web.database, seen("error", 0, name="Summer sale", type="TEXT_TO_VIDEO", error=NO_FACE))
    track(web.database, request(20, metadata={"order": 1, "<script>": "<img>"}))
    kill_deliveries(web)
    pause(web)
    return web


@pytest.fixture
def ann(lively: Served) -> Iterator[httpx.Client]:
    with log_in(lively, "read", "operate") as client:
        yield client


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_there_before_anything_happened(web: Served, path: str) -> None:
    with log_in(web, "read") as client:
        answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_every_page_is_there_with_data(ann: httpx.Client) -> None:
    project = f"/projects/video/{name(1)}"
    for path in (*PAGES, project, f"/projects/video/{name(20)}", "/deliveries/1"):
        answer = ann.get(path)
        assert answer.status_code == 200, (path, answer.text[-2000:])
        assert "style=" not in answer.text
        assert "<b>here</b>" not in answer.text
        assert '<script>"' not in answer.text
        assert "http" not in re.sub(r"https?://127\.0\.0\.1:\d+|https://api\.magichour\.ai", "", answer.text), path
    story = ann.get(project).text
    for word in ("Summer sale", "TEXT_TO_VIDEO", "no_source_face", "refund", "project.failed", "rendering", "4701"):
        assert word in story


@pytest.mark.parametrize("path", ["/projects/video/nothing-here", "/deliveries/999", "/nothing", "/projects/film/x"])
def test_what_is_not_there_is_a_page_too(ann: httpx.Client, path: str) -> None:
    answer = ann.get(path)
    assert answer.status_code in (404, 422)
    assert "To the overview" in answer.text


def test_secrets_are_not_on_the_settings_page(ann: httpx.Client) -> None:
    page = ann.get("/settings").text
    assert "mhk_live" not in page
    assert "default: hidden, studio: hidden" in page
    assert "rw_" not in page


def test_a_form_without_its_token_or_from_elsewhere_changes_nothing(ann: httpx.Client, lively: Served) -> None:
    before = stored(lively.database, TrackedProject)
    good = {"csrf": csrf(ann), "action": "recheck", "project": f"video/{name(1)}", "back": "/projects"}
    tries = [
        ({**good, "csrf": ""}, {}),
        ({**good, "csrf": "0" * 64}, {}),
        (good, {"sec-fetch-site": "cross-site"}),
        (good, {"origin": "https://evil.example"}),
    ]
    for data, headers in tries:
        assert ann.post("/projects/act", data=data, headers=headers).status_code == 403
    assert stored(lively.database, TrackedProject) == before
    assert ann.post("/projects/act", data=good).status_code == 303


def test_who_may_only_read_cannot_act(lively: Served) -> None:
    with log_in(lively, "read", name="bob") as bob:
        assert "Check now" not in bob.get(f"/projects/video/{name(1)}").text
        form = {"csrf": csrf(bob), "action": "recheck", "project": f"video/{name(1)}"}
        answer = bob.post("/projects/act", data=form)
        assert answer.status_code == 403
        assert "lacks the scope operate" in answer.text


def test_untracking_is_asked_for_twice_and_noted_with_its_reason(ann: httpx.Client, lively: Served) -> None:
    form = {"csrf": csrf(ann), "action": "untrack", "project": f"video/{name(20)}", "back": "/projects?state=open"}
    asked = ann.post("/projects/act", data=form)
    assert "Stop following 1 project?" in asked.text
    done = ann.post("/projects/act", data={**form, "sure": "yes", "reason": "a test render"})
    assert done.headers["location"] == "/projects?state=open&done=untrack&count=1"
    last = stored(lively.database, OperatorAction)[-1]
    assert (last["actor"], last["action"], last["reason"]) == ("ann (dashboard)", "untrack", "a test render")
    assert "a test render" in ann.get("/audit").text


def test_replaying_all_dead_deliveries_is_asked_for_twice(ann: httpx.Client, lively: Served) -> None:
    track(lively.database, 30)
    form = {"csrf": csrf(ann), "every": "dead", "back": "/deliveries"}
    assert "Send all dead deliveries again?" in ann.post("/deliveries/replay", data=form).text
    assert {each["state"] for each in stored(lively.database, Delivery)} == {"dead"}
    assert ann.post("/deliveries/replay", data={**form, "sure": "yes"}).status_code == 303
    assert {(each["state"], each["attempts"]) for each in stored(lively.database, Delivery)} == {("pending", 0)}


def test_a_cookie_is_hardened_and_worth_nothing_after_logging_out(lively: Served) -> None:
    with log_in(lively, "read", name="cay") as cay:
        cookie = cay.cookies["renderwatch"]
        assert cay.post("/logout", data={"csrf": csrf(cay)}).headers["location"] == "/login"
    answer = httpx.get(lively.url, cookies={"renderwatch": cookie}, trust_env=False)
    assert answer.headers["location"] == "/login"
    token = token_for(lively.database, "read", name="dan")
    headers = {"x-forwarded-proto": "https"}
    set_cookie = httpx.post(f"{lively.url}/login", data={"token": token}, headers=headers, trust_env=False)
    attributes = set_cookie.headers["set-cookie"].lower()
    assert attributes.startswith("__host-renderwatch=")
    for attribute in ("httponly", "secure", "samesite=lax", "path=/", "max-age="):
        assert attribute in attributes
    assert "domain" not in attributes
    assert set_cookie.headers["strict-transport-security"].startswith("max-age=")


def test_revoking_a_token_ends_its_sessions(lively: Served) -> None:
    with log_in(lively, "read", name="eve") as eve:
        with lively.database.write() as connection:
            revoke_token(connection, "eve")
        lively.app._app.state.web.identities._known.clear()  # as five seconds later
        assert eve.get("/").headers["location"] == "/login"


@pytest.mark.parametrize("scopes", [("track",), ("operate",)])
def test_a_token_that_may_not_read_cannot_log_in(web: Served, scopes: tuple[str, ...]) -> None:
    token = token_for(web.database, *scopes)
    answer = httpx.post(f"{web.url}/login", data={"token": token}, trust_env=False)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("/projects?state=open", "/projects?state=open"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/a\\b", "/"),
        ("/x\r\nset-cookie: y", "/"),
        ("", "/"),
    ],
)
def test_nobody_is_led_to_another_site(target: str, leads_to: str) -> None:
    assert inner_path(target) == leads_to


def test_links_in_payloads_are_shown_without_their_signature() -> None:
    shown = redacted({"downloads": [{"url": "https://files.example/a.mp4?sig=secret"}], "n": 1})
    assert shown == {"downloads": [{"url": "https://files.example/a.mp4?…"}], "n": 1}
