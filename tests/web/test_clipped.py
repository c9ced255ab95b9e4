"""No text is cut off: every cell of every page at five widths, with long codes, large numbers and hostile names."""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import insert, update

from tests.store.world import name
from tests.web.conftest import Served, token_for
from tests.web.skewed import fill_skewed
from tests.web.test_browser import browser, web  # noqa: F401  fixtures
from worker.store.engine import clock
from worker.store.models import CreditAdjustment, TrackedProject

WIDTHS: Final = (390, 768, 1024, 1366, 1920)
PAGES: Final = (
    "/", "/problems", "/problems/rejected", "/projects", "/credits?period=30d&by=customer", "/deliveries", "/failures",
    "/accounts", "/check-times", "/settings", "/audit", f"/projects/video/{name(45)}", "/deliveries/1",
)  # fmt: skip
# Cells and labels whose text is wider than they are, and areas that must be scrolled sideways to be read. Tables of
# charts may be scrolled, and show it.
CLIPPED: Final = """
() => [...document.querySelectorAll("td, th, dd, dt, h1, h2, .tile *, .badge, .scroll, button, main p")]
  .filter((each) => !each.closest(".chart details"))
  .filter((each) => each.getClientRects().length && !each.closest(".hidden, thead:not(:has(:focus)) .hidden"))
  .filter((each) => getComputedStyle(each.closest("thead") ?? each).clipPath === "none")
  .filter((each) => each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 0)
  .filter((each) => getComputedStyle(each).display !== "inline")
  .map((each) => `${each.tagName}.${each.className}: ${each.textContent.trim().slice(0, 60)}`)
"""


@pytest.fixture
def page(browser: Browser, web: Served) -> Iterator[Page]:  # noqa: F811  fixtures
    fill_skewed(web.database)
    with web.database.write() as connection:
        code = {"error_code": "content_moderation_failed_after_generation", "error_message": "moderated " * 30}
        bidi = {"name": "invoice \u202egpj.exe", "type": "AUTO_SUBTITLE_GENERATOR_WITH_TRANSLATION"}
        connection.execute(update(TrackedProject).where(TrackedProject.id == 47).values(code))
        connection.execute(update(TrackedProject).where(TrackedProject.id == 45).values(bidi))
        entry: dict[str, Any] = {"tracked_project_id": 45, "sequence": 2, "reason": "charge", "source": "poll"}
        amount = {"amount": 98_765_432, "total": 98_765_532, "observed_at": clock(connection)}
        connection.execute(insert(CreditAdjustment).values(entry | amount))
        last = {"adjustment_count": 2, "credits_charged": 98_765_532}
        connection.execute(update(TrackedProject).where(TrackedProject.id == 45).values(last))
    context = browser.new_context()
    opened = context.new_page()
    opened.goto(f"{web.url}/login#{token_for(web.database, 'read', 'operate', name='ann')}")
    expect(opened.get_by_role("heading", name="Overview")).to_be_visible()
    yield opened
    context.close()


def test_nothing_is_cut_off_at_any_width_and_no_name_turns_its_text_around(page: Page, web: Served) -> None:  # noqa: F811
    found = []
    for path in PAGES:
        page.goto(web.url + path)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            found += [(path, width, each) for each in page.evaluate(CLIPPED)]
            if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
                found.append((path, width, "the page"))
    assert not found, "\n".join(map(str, found))
    page.goto(f"{web.url}/projects/video/{name(45)}")
    expect(page.get_by_role("heading", level=1)).to_have_text("invoice [U+202E]gpj.exe")


def test_selected_text_survives_a_refresh(page: Page, web: Served) -> None:  # noqa: F811
    page.goto(f"{web.url}/projects?only=stalled")
    page.evaluate("getSelection().selectAllChildren(document.querySelector('tbody code'))")
    before = page.evaluate("getSelection().toString()")
    assert before
    refreshed = page.expect_response(lambda response: "only=stalled" in response.url and response.ok, timeout=40_000)
    with refreshed, web.database.write() as connection:
        connection.execute(update(TrackedProject).values(name="renamed"))
    page.wait_for_timeout(100)  # the answer has been read
    assert page.evaluate("getSelection().toString()") == before
    page.evaluate("getSelection().removeAllRanges()")
    expect(page.locator("tbody")).to_contain_text("renamed", timeout=40_000)
