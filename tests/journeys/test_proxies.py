"""nginx with TLS in front of two web processes, as the documentation configures it and as it is by default."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.journeys.journey import Journey, travelling
from tests.support.certificates import Authority, authority
from tests.support.judge import Allowed
from tests.support.nginx import DEFAULT, documented, nginx
from tests.support.services import Broker
from tests.web.test_browser import OPTIONS, chromium
from worker.simulator import Simulator

# Another address than 127.0.0.1, as a proxy on another host has one.
ELSEWHERE: Final = "127.0.0.3"
ONE_PATH: Final = "/renderwatch"
_TOKEN: Final = re.compile(r"rw_[A-Za-z0-9_-]{20,}")
_ADDRESS: Final = re.compile(r"dashboard: http://127\.0\.0\.1:(\d+)")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=OPTIONS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("certificates") / "ca", "localhost")


@contextmanager
def _behind(journey: Journey, folder: Path, configuration: str, ca: Authority, **options: str) -> Iterator[str]:
    """Start two web processes and nginx; give the address for the browser."""
    programs = [journey.start(name, "web") for name in ("web-1", "web-2")]
    ports = []
    for program in programs:
        program.says("dashboard: http://127.0.0.1:", 60)
        found = _ADDRESS.search(program.log)
        assert found
        ports.append(int(found[1]))
    with nginx(folder / "nginx", configuration, ca, ports, **options) as address:
        yield address


def _token(journey: Journey) -> str:
    found = _TOKEN.search(journey.run("tokens", "create", "ann", "--scope", "read", "--scope", "operate"))
    assert found
    return found[0]


@contextmanager
def _page(browser: Browser) -> Iterator[Page]:
    """A page of a browser that trusts the certificate. Nothing may go wrong in its console."""
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    context.close()
    assert wrong == []


def _log_in(page: Page, address: str, token: str) -> None:
    page.goto(f"{address}/login")
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Log in").click()


def _watch_and_act(journey: Journey, page: Page, address: str) -> None:
    """Log in, see a project end without a reload, and have it checked again."""
    _log_in(page, address, _token(journey))
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    cookies = {each["name"]: each for each in page.context.cookies()}
    assert all(each["secure"] for each in cookies.values()), cookies
    (project,) = journey.create(1, "/v1/text-to-video")
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Projects").click()
    page.get_by_role("link", name=project.id).or_(page.locator("tbody tr a").first).first.click(timeout=30_000)
    expect(page.locator(".head-status")).to_contain_text(project.life.last.status, timeout=60_000)  # by itself
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_role("status")).to_contain_text("Due now")


def test_the_documented_configuration(
    tmp_path: Path, sqlite_url: str, redis_service: Broker, simulator: Simulator, browser: Browser, ca: Authority
) -> None:
    settings: dict[str, Any] = {"web_trusted_proxies": [ELSEWHERE]}
    with travelling(tmp_path / "run", sqlite_url, redis_service, simulator, **settings) as journey:
        journey.start_all()
        config = documented("renderwatch.conf")
        with _behind(journey, tmp_path, config, ca, speaks_from=ELSEWHERE) as address, _page(browser) as page:
            _watch_and_act(journey, page, address)
            answer = page.request.get(f"{address}/login")
            assert "strict-transport-security" in answer.headers


def test_below_a_path(
    tmp_path: Path, sqlite_url: str, redis_service: Broker, simulator: Simulator, browser: Browser, ca: Authority
) -> None:
    settings: dict[str, Any] = {"web_trusted_proxies": [ELSEWHERE], "web_root_path": ONE_PATH}
    with travelling(tmp_path / "run", sqlite_url, redis_service, simulator, **settings) as journey:
        journey.start_all()
        config = documented("renderwatch-below-path.conf")
        with _behind(journey, tmp_path, config, ca, speaks_from=ELSEWHERE) as address, _page(browser) as page:
            asked: list[str] = []
            page.on("request", lambda request: asked.append(request.url))
            _watch_and_act(journey, page, address + ONE_PATH)
            assert [url for url in asked if not url.startswith(address + ONE_PATH)] == []


def test_the_default_configuration_lets_a_browser_log_in(
    tmp_path: Path, sqlite_url: str, redis_service: Broker, simulator: Simulator, browser: Browser, ca: Authority
) -> None:
    with travelling(tmp_path / "run", sqlite_url, redis_service, simulator) as journey:
        journey.run("migrate")
        context = browser.new_context(ignore_https_errors=True)
        with _behind(journey, tmp_path, DEFAULT, ca) as address:
            page = context.new_page()
            _log_in(page, address, _token(journey))
            expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        context.close()


def test_headers_from_an_address_that_is_not_trusted_are_ignored_and_the_log_says_so(
    tmp_path: Path, sqlite_url: str, redis_service: Broker, simulator: Simulator, browser: Browser, ca: Authority
) -> None:
    settings: dict[str, Any] = {"web_trusted_proxies": ["127.0.0.99"]}
    with travelling(tmp_path / "run", sqlite_url, redis_service, simulator, **settings) as journey:
        journey.run("migrate")
        config = documented("renderwatch.conf")
        with _behind(journey, tmp_path, config, ca, speaks_from=ELSEWHERE) as address:
            context = browser.new_context(ignore_https_errors=True)
            answer = context.request.get(f"{address}/login")
            assert "strict-transport-security" not in answer.headers
            context.close()
            ignored = f"forwarded headers from {ELSEWHERE} are ignored"
            assert [log for log in journey.programs.logs.values() if ignored in log]
            journey.allowed.append(Allowed(ignored, "what this test is about"))
