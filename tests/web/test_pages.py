"""The dashboard without a browser: every page, with and without data, and what guards it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import update

from tests.store.world import name, request, seen, stored, track
from tests.support.processes import wait_for
from tests.web.conftest import Served, answer_all, served, token_for
from worker.domain.projects.observation import ProjectError
from worker.formatting import redacted
from worker.settings import Settings
from worker.store.access_tokens import revoke_token
from worker.store.engine import Database, clock
from worker.store.intake.rejections import store_rejections
from worker.store.intake.store_requests import store_requests
from worker.store.ledger.balances import save_balance
from worker.store.models import Account, Delivery, Destination, OperatorAction, TrackedProject
from worker.store.monitoring.job_heartbeats import record_heartbeat
from worker.web.forms import inner_path
from worker.web.pages.settings import _shown

NO_FACE = ProjectError("no_source_face", "no face <b>here</b>")
PAGES = [
    "/",
    "/problems",
    "/problems/rejected",
    "/projects?only=stalled&finished=7d",
    "/accounts?only=paused",
    "/projects",
    "/projects?state=open&sort=due",
    "/projects?text=order:4711",
    "/projects?text=nothing+like+it",
    "/projects?sort=credits",
    "/credits",
    "/credits?period=30d",
    "/metadata",
    "/metadata?key=order&period=24h",
    "/metadata?key=%00%22%5C",
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


def test_the_page_of_a_running_project_says_when_it_is_expected_to_finish(web: Served) -> None:
    track(web.database, request(1))
    answer_all(web.database, seen("rendering", type="VIDEO_TO_VIDEO", created_at=None))
    with log_in(web, "read") as client:
        page = client.get(f"/projects/video/{name(1)}").text
    assert "Expected to finish" in page
    assert re.search(r"<progress .*in about 1\d min .*80 % between", page)
    assert "the median that Magic Hour publishes" in page


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


def test_the_credits_page_says_when_a_balance_is_used_up(ann: httpx.Client, lively: Served) -> None:
    with lively.database.write() as connection:
        save_balance(connection, "default", 10**9)
    page = ann.get("/credits").text
    assert "<h2>Balance</h2>" in page
    assert "not at this pace" in page


def test_an_end_whose_delay_is_unknown_does_not_break_the_overview(ann: httpx.Client, lively: Served) -> None:
    with lively.database.write() as connection:
        connection.execute(update(TrackedProject).values(detection_delay=None))
    assert ann.get("/").status_code == 200


def test_the_overview_says_when_a_project_is_overdue(web: Served) -> None:
    track(web.database, 1)
    with web.database.write() as connection:
        for job in ("dispatch", "intake"):
            record_heartbeat(connection, job)
    with log_in(web, "read") as reader:
        assert "All is well" in reader.get("/").text
        with web.database.write() as connection:
            late = clock(connection) - timedelta(seconds=90)
            connection.execute(update(TrackedProject).values(next_check_at=late))
        wait_for(lambda: "All is well" not in reader.get("/").text, 10, "the page says that something is wrong")
        assert "the oldest has been due for 1 min 3" in reader.get("/").text


def test_secrets_are_not_on_the_settings_page(ann: httpx.Client) -> None:
    page = ann.get("/settings").text
    assert "mhk_live" not in page
    assert "default: hidden, studio: hidden" in page
    assert "rw_" not in page


def test_routes_are_shown_as_one_writes_them() -> None:
    settings = Settings(routes={"project.completed": ["celery:media.publish"]})
    assert _shown(settings, "routes") == '{"project.completed": ["celery:media.publish"]}'


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
    assert "data-live" not in asked.text  # the answer to a form cannot be loaded again
    done = ann.post("/projects/act", data={**form, "sure": "yes", "reason": "a test render"})
    assert done.headers["location"] == "/projects?state=open"
    said = ann.cookies["renderwatch_done"]
    assert "No longer tracked" not in ann.get("/projects", headers={"sec-fetch-mode": "cors"}).text  # a live refresh
    assert "No longer tracked (1)." in ann.get("/projects").text
    for made_up in ("", said.replace(".1.", ".4999."), said[:-1], "untrack.4999.", "x"):
        ann.cookies.set("renderwatch_done", made_up, domain="127.0.0.1", path="/")
        assert "No longer tracked" not in ann.get("/projects?done=untrack&count=4999").text
    last = stored(lively.database, OperatorAction)[-1]
    assert (last["actor"], last["action"], last["reason"]) == ("ann (dashboard)", "untrack", "a test render")
    assert "a test render" in ann.get("/audit").text


def test_a_delivery_shows_what_its_url_answered(ann: httpx.Client, lively: Served) -> None:
    answer = {"last_error": "503 Service Unavailable: busy", "last_status": 503, "last_seconds": 0.25}
    with lively.database.write() as connection:
        connection.execute(update(Delivery).where(Delivery.id == 1).values(answer))
    page = ann.get("/deliveries/1").text
    assert "503 Service Unavailable: busy" in page
    assert "HTTP 503, 0.25 s" in page


def test_a_destination_that_fails_is_marked_with_its_error(ann: httpx.Client, lively: Served) -> None:
    assert "failing</span>" not in ann.get("/deliveries").text
    with lively.database.write() as connection:
        until = clock(connection) + timedelta(minutes=5)
        connection.execute(update(Destination).values(failures=5, open_until=until, last_error="no <answer>"))
    page = ann.get("/deliveries").text
    assert "failing</span>" in page
    assert "no &lt;answer&gt;" in page


def test_a_delivery_says_what_it_waits_for(ann: httpx.Client, lively: Served) -> None:
    with lively.database.write() as connection:
        connection.execute(update(Delivery).where(Delivery.id == 1).values(state="pending"))
        until = clock(connection) + timedelta(minutes=5)
        connection.execute(update(Destination).values(failures=5, open_until=until, last_error="no <answer>"))
    assert "its last error: no &lt;answer&gt;" in ann.get("/deliveries/1").text
    assert "waits for the destination" in ann.get("/deliveries").text


def test_replaying_all_dead_deliveries_is_asked_for_twice(ann: httpx.Client, lively: Served) -> None:
    track(lively.database, 30)
    form = {"csrf": csrf(ann), "every": "matching", "state": "dead", "back": "/deliveries"}
    asked = ann.post("/deliveries/replay", data=form).text
    last = len(stored(lively.database, Delivery))
    assert f"Send {last} deliveries again?" in asked
    assert f'name="last" value="{last}"' in asked
    assert {each["state"] for each in stored(lively.database, Delivery)} == {"dead"}
    assert ann.post("/deliveries/replay", data={**form, "sure": "yes", "last": last}).status_code == 303
    assert {(each["state"], each["attempts"]) for each in stored(lively.database, Delivery)} == {("pending", 0)}


def test_a_cookie_is_hardened_and_worth_nothing_after_logging_out(lively: Served) -> None:
    with log_in(lively, "read", name="cay") as cay:
        cookie = cay.cookies["renderwatch"]
        assert cay.post("/logout", data={"csrf": csrf(cay)}).headers["location"] == "/login"
    answer = httpx.get(lively.url, cookies={"renderwatch": cookie}, trust_env=False)
    assert answer.headers["location"] == "/login"
    token = token_for(lively.database, "read", name="dan")
    headers = {"x-forwarded-proto": "https"}
    with served(lively.database, web_trusted_proxies=["127.0.0.1"]) as behind_tls:
        set_cookie = httpx.post(f"{behind_tls.url}/login", data={"token": token}, headers=headers, trust_env=False)
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
        lively.state.identities._known.clear()  # as five seconds later
        assert eve.get("/").headers["location"] == "/login"


@pytest.mark.parametrize("scopes", [("track",), ("operate",)])
def test_a_token_that_may_not_read_cannot_log_in(web: Served, scopes: tuple[str, ...]) -> None:
    token = token_for(web.database, *scopes)
    answer = httpx.post(f"{web.url}/login", data={"token": token}, trust_env=False)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_wrong_token_keeps_the_page_that_was_wanted(web: Served) -> None:
    deep = "/projects/video/cmb1xk2v80000l70"
    for token in ("rw_wrong", token_for(web.database, "track")):
        answer = httpx.post(f"{web.url}/login", data={"token": token, "next": deep}, trust_env=False)
        assert f'name="next" value="{deep}"' in answer.text


def test_an_internal_error_is_a_page_of_ours(ann: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.web.pages.audit.list_rejections", lambda *_: 1 / 0)
    answer = ann.get("/audit")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert "renderwatch web" in answer.text
    assert "division" not in answer.text


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


def test_a_project_that_nobody_has_seen_yet_says_what_it_waits_for(web: Served) -> None:
    with web.database.write() as connection:
        store_requests(connection, [request(1, account="nobody")])
    with log_in(web, "read") as client:
        page = client.get(f"/projects/video/{name(1)}").text
    assert "It waits for an API key: account &#39;nobody&#39; has none in MAGIC_HOUR_API_KEYS" in page
    assert "set its key in MAGIC_HOUR_API_KEYS" in page or "renderwatch beat" in page


def test_a_web_process_without_keys_does_not_judge_those_of_the_workers(database: Database) -> None:
    with database.write() as connection:
        store_requests(connection, [request(1, account="default")])
    for keys, has_none in (({}, False), ({"b": "k"}, True)):
        with served(database, magic_hour_api_keys=keys) as web, log_in(web, "read", name=f"ann-{has_none}") as client:
            page = client.get("/accounts").text
        assert ("known only to the workers" in page) is not has_none
        assert ("No worker has a key for 1 of the accounts" in page) is has_none


def test_the_audit_log_says_how_to_see_and_retry_rejected_requests(web: Served) -> None:
    with web.database.write() as connection:
        store_rejections(connection, [('{"kind": "film"}', "kind is 'film'")])
    with log_in(web, "read") as client:
        page = client.get("/audit").text
    assert "kind is &#39;film&#39;" in page
    for command in ("renderwatch rejected list", "renderwatch rejected retry 1"):
        assert command in page
