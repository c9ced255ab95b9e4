"""The dashboard as its users meet it: headless Chromium, light and dark, desktop and phone."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.store.world import name, request, seen, stored, track
from tests.support.services import unavailable
from tests.web.conftest import Served, answer_all, served, token_for
from tests.web.test_pages import PAGES, kill_deliveries, pause
from worker.domain.projects.observation import ProjectError
from worker.store.engine import Database
from worker.store.models import Account, Delivery, OperatorAction

# A container has no sandbox of its own for a browser, and no way to the vendor's hosts, which it would look for.
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
           "--disable-sync", "--no-first-run", "--disable-quic"]  # fmt: skip


@dataclass(frozen=True)
class Look:
    """How somebody looks at the dashboard."""

    scheme: str
    width: int
    height: int

    @property
    def is_phone(self) -> bool:
        return self.width < 500


LOOKS = [
    pytest.param(Look("light", 1360, 900), id="light"),
    pytest.param(Look("dark", 1360, 900), id="dark"),
    pytest.param(Look("light", 390, 844), id="phone"),
]


def chromium() -> str:
    """Return the path of the browser, or skip the test."""
    path = os.environ.get("TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    return path or unavailable("no chromium on the PATH, and none at TEST_CHROMIUM")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=OPTIONS)
        yield started
        started.close()


@pytest.fixture(params=LOOKS)
def look(request: pytest.FixtureRequest) -> Look:
    chosen: Look = request.param
    return chosen


@pytest.fixture
def web(sqlite_url: str) -> Iterator[Served]:
    database = Database(sqlite_url)
    with served(database) as running:
        yield running
    database.close()


@pytest.fixture
def page(browser: Browser, look: Look, web: Served) -> Iterator[Page]:
    """A page that is logged in. Nothing may go wrong in its console, and it may ask nobody but us."""
    viewport = {"width": look.width, "height": look.height}
    context = browser.new_context(color_scheme=look.scheme, viewport=viewport)  # type: ignore[arg-type]  # a word each
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("request", lambda asked: None if asked.url.startswith(web.url) else wrong.append(asked.url))
    token = token_for(web.database, "read", "operate", name="ann")
    opened.goto(f"{web.url}/login")
    opened.get_by_label("Token").fill(token)
    opened.get_by_role("button", name="Log in").click()
    expect(opened.get_by_role("heading", name="Overview")).to_be_visible()
    yield opened
    context.close()
    assert wrong == []


def go_to(page: Page, look: Look, where: str) -> None:
    """Choose a page from the navigation, which is behind a button on a phone."""
    if look.is_phone:
        page.get_by_role("button", name="Menu").click()
    page.get_by_role("navigation", name="Pages").get_by_role("link", name=where).click()
    expect(page.get_by_role("heading", name=where, level=1)).to_be_visible()


def test_a_project_is_found_watched_to_its_end_and_checked_again(page: Page, look: Look, web: Served) -> None:
    track(web.database, *(request(n, metadata={"order": 4700 + n}) for n in range(1, 6)))
    answer_all(web.database, seen("rendering", name="Summer sale"))
    go_to(page, look, "Projects")
    expect(page.locator("tbody tr")).to_have_count(5)
    page.get_by_label("Id, name, or metadata").fill("order:4703")
    page.get_by_role("button", name="Find").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Summer sale").click()
    status = page.locator(".head-status")
    expect(status).to_contain_text("rendering")
    answer_all(web.database, seen("complete", 300, name="Summer sale"))
    expect(status).to_contain_text("complete", timeout=20_000)  # by itself, without a reload
    expect(page.locator(".events")).to_contain_text("project.completed")
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_role("status")).to_contain_text("Due now")
    assert stored(web.database, OperatorAction)[-1]["actor"] == "ann (dashboard)"


def test_a_dead_delivery_is_replayed(page: Page, look: Look, web: Served) -> None:
    track(web.database, 1)
    answer_all(web.database, seen("complete", 300))
    kill_deliveries(web)
    go_to(page, look, "Deliveries")
    page.get_by_role("navigation", name="State").get_by_role("link", name="dead").click()
    replay = page.get_by_role("button", name="Replay", exact=True)
    expect(replay).to_be_disabled()
    page.locator("td.pick input").first.check()
    expect(page.locator("[data-chosen]")).to_have_text("1 chosen")
    replay.click()
    expect(page.get_by_role("status")).to_contain_text("Sent again with the next sweep (1)")
    assert [each["state"] for each in stored(web.database, Delivery)].count("pending") == 1


def test_a_pause_is_lifted(page: Page, look: Look, web: Served) -> None:
    track(web.database, 1)
    pause(web)
    go_to(page, look, "Accounts")
    expect(page.locator(".account")).to_contain_text("unauthorized")
    page.get_by_label("Why").fill("the key works again")
    page.get_by_role("button", name="Lift the pause").click()
    expect(page.get_by_role("status")).to_contain_text("Resumed: its projects are checked")
    assert [each["paused_until"] for each in stored(web.database, Account)] == [None]
    assert "the key works again" in stored(web.database, OperatorAction)[-1]["reason"]


def test_many_are_untracked_at_once_after_a_second_question(page: Page, look: Look, web: Served) -> None:
    track(web.database, 1, 2, 3)
    go_to(page, look, "Projects")
    for box in page.locator("td.pick input").all()[:2]:
        box.check()
    page.get_by_role("button", name="Untrack…").click()
    expect(page.get_by_role("heading", name="Stop following 2 projects?")).to_be_visible()
    page.get_by_label("Reason").fill("tests")
    page.get_by_role("button", name="Untrack 2").click()
    expect(page.get_by_role("status")).to_contain_text("No longer tracked (2)")


def test_no_page_is_hard_to_use_for_anybody(page: Page, web: Served) -> None:
    track(web.database, *(request(n, metadata={"order": 4700 + n}) for n in range(1, 9)))
    answer_all(web.database, seen("queued"), seen("rendering", name="Summer sale", type="TEXT_TO_VIDEO"))
    answer_all(web.database, seen("error", 0, error=ProjectError("no_source_face", "no face")))
    track(web.database, 20, 21)
    kill_deliveries(web)
    pause(web)
    axe = Axe()
    found = []
    for path in (*PAGES, f"/projects/video/{name(1)}", f"/projects/video/{name(20)}", "/deliveries/1"):
        with page.expect_response(lambda response, path=path: response.url == web.url + path):  # type: ignore[misc]
            page.goto(web.url + path)
        for details in page.locator("details").all():
            details.evaluate("each => each.open = true")
        results = axe.run(page)
        found += [
            (path, each["id"], each["nodes"][0]["target"], each["nodes"][0]["failureSummary"])
            for each in results.response["violations"]
            if each["impact"] in ("serious", "critical")
        ]
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wider > 0:
            found.append((path, "wider than the screen", wider, ""))
    assert found == []


def test_the_login_page_is_easy_to_use_too(browser: Browser, look: Look, web: Served) -> None:
    context = browser.new_context(color_scheme=look.scheme)  # type: ignore[arg-type]  # a word of three
    page = context.new_page()
    page.goto(f"{web.url}/projects?state=open")
    page.get_by_label("Token").fill("rw_" + "x" * 43)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not a valid token")
    serious = [each for each in Axe().run(page).response["violations"] if each["impact"] in ("serious", "critical")]
    assert serious == []
    page.goto(f"{web.url}/login?next=/projects%3Fstate%3Dopen#{token_for(web.database, 'read')}")
    expect(page.get_by_role("heading", name="Projects")).to_be_visible()
    assert page.url == f"{web.url}/projects?state=open"
    context.close()


def test_everything_works_by_keyboard_and_the_theme_is_remembered(page: Page, look: Look, web: Served) -> None:
    page.goto(web.url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("/")
    expect(page).to_have_url(f"{web.url}/projects#text")
    expect(page.get_by_label("Id, name, or metadata")).to_be_focused()
    if look.is_phone:
        page.get_by_role("button", name="Menu").click()
    page.get_by_role("button", name="Theme").click()
    other = "light" if look.scheme == "dark" else "dark"
    expect(page.locator("html")).to_have_attribute("data-theme", other)
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", other)
