"""Numbers of the dashboard, against plain SQL over skewed data; and numbers that are links, against their rows."""

import csv
import io
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import text, update

from tests.store.world import stored
from tests.web.conftest import Served
from tests.web.looking import count_rows, link_of, look, number_in, number_links, tiles
from tests.web.skewed import DEAD, fill_skewed
from tests.web.test_pages import csrf, log_in
from worker.store.models import OperatorAction, TrackedProject
from worker.store.monitoring.job_heartbeats import record_heartbeat


@pytest.fixture
def skewed(web: Served) -> Served:
    fill_skewed(web.database)
    return web


@pytest.fixture
def ann(skewed: Served) -> Iterator[httpx.Client]:
    with log_in(skewed, "read", "operate") as client:
        yield client


def ask(web: Served, statement: str) -> Any:  # noqa: ANN401  one value
    """A number by plain SQL. ``{ago}`` is the moment so many hours ago."""
    with web.database.read() as connection:
        if connection.dialect.name == "sqlite":
            ago = "strftime('%Y-%m-%d %H:%M:%f', 'now', '-{} hours') || '000'"
            midnight = "strftime('%Y-%m-%d 00:00:00.000000', 'now')"
        else:
            ago = "now() - interval '{} hours'"
            midnight = "date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'"
        for hours in (1, 24, 168):
            statement = statement.replace(f"{{{hours}h}}", ago.format(hours))
        return connection.execute(text(statement.replace("{today}", midnight))).scalar_one()


def test_each_tile_of_the_overview_is_what_sql_says(skewed: Served, ann: httpx.Client) -> None:
    shown = tiles(ann, "/")
    mean = "SELECT avg(detection_delay) FROM tracked_projects WHERE status = 'complete' AND finished_at >= "
    delay, small = shown["Detection delay"]
    assert delay == f"{ask(skewed, mean + '{24h}'):.1f} s"
    assert f"{ask(skewed, mean + '{1h}'):.1f} s in the last hour" in small
    is_open = "SELECT count(*) FROM tracked_projects WHERE state <> 'closed'"
    assert number_in(shown["Open projects"][0]) == ask(skewed, is_open)
    assert number_in(shown["Oldest due check"][1]) == ask(
        skewed, "SELECT count(*) FROM tracked_projects WHERE next_check_at <= CURRENT_TIMESTAMP"
    )
    failed = "SELECT count(*) FROM tracked_projects WHERE status = '{}' AND finished_at >= {{24h}}"
    assert number_in(shown["Failures"][0]) == ask(skewed, failed.format("error"))
    assert number_in(shown["Failures"][1].partition(",")[2]) == ask(skewed, failed.format("complete"))
    assert number_in(shown["Deliveries"][0]) == DEAD
    assert number_in(shown["Accounts paused"][0]) == 1
    spent = "SELECT coalesce(sum(amount), 0) FROM credit_adjustments WHERE amount > 0 AND observed_at >= {today}"
    assert number_in(shown["Credits spent"][0]) == ask(skewed, spent)
    back = "SELECT coalesce(-sum(amount), 0) FROM credit_adjustments WHERE amount < 0 AND observed_at >= {today}"
    assert number_in(shown["Credits spent"][1].partition(",")[2]) == ask(skewed, back)
    assert shown["Requests"][0] == f"{690 / 300:.1f} / s"


def test_each_tile_of_credits_and_failures_is_what_sql_says(skewed: Served, ann: httpx.Client) -> None:
    for period, since in (("24h", "{24h}"), ("7d", "{168h}"), ("today", "{today}")):
        page = f"/credits?period={period}"
        shown = tiles(ann, page)
        total = "FROM credit_adjustments WHERE observed_at >= " + since
        spent = ask(skewed, f"SELECT coalesce(sum(amount), 0) {total} AND amount > 0")
        back = ask(skewed, f"SELECT coalesce(-sum(amount), 0) {total} AND amount < 0")
        assert (number_in(shown["Spent"][0]), number_in(shown["Refunded"][0])) == (spent, back)
        assert number_in(shown["Net"][0]) == spent - back
        still = "status IN ('error', 'canceled') AND credits_charged > 0 AND finished_at >= " + since
        statement = f"SELECT coalesce(sum(credits_charged), 0) FROM tracked_projects WHERE {still}"
        assert number_in(shown["Refunds outstanding"][0]) == ask(skewed, statement)
        count = ask(skewed, f"SELECT count(*) FROM tracked_projects WHERE {still}")
        assert number_in(shown["Refunds outstanding"][1]) == count
        assert count_rows(ann, link_of(ann, page, "Refunds outstanding")) == count
        failed = ask(skewed, f"SELECT count(*) FROM tracked_projects WHERE status = 'error' AND finished_at >= {since}")
        assert f"{failed} project" in ann.get(f"/failures?period={period}").text


def test_each_number_that_is_a_link_opens_as_many_rows(ann: httpx.Client) -> None:
    found = []
    for path in ("/", "/credits", "/credits?period=30d", "/failures", "/failures?period=30d", "/accounts"):
        links = list(number_links(ann, path))
        assert links, path
        found += [(path, link.href, link.number, count_rows(ann, link.href)) for link in links]
    assert [each for each in found if each[2] != each[3]] == []
    shown = tiles(ann, "/")
    assert count_rows(ann, link_of(ann, "/", "Open projects")) == number_in(shown["Open projects"][0])
    assert count_rows(ann, link_of(ann, "/", "Oldest due check")) == number_in(shown["Oldest due check"][1])
    assert count_rows(ann, link_of(ann, "/", "Deliveries")) == DEAD
    assert count_rows(ann, link_of(ann, "/", "Accounts paused")) == 1


def test_each_problem_opens_the_rows_that_it_counts_here_and_in_the_api(skewed: Served, ann: httpx.Client) -> None:
    with skewed.database.write() as connection:
        for job in ("beat", "dispatch", "intake", "check"):
            record_heartbeat(connection, job)
    page = look(ann, "/problems")
    links = [(number_in(each.get("data-count")), each.get("href")) for each in page.xpath("//a[@data-count]")]
    assert {href.partition("&")[0] for _, href in links} >= {
        "/projects?only=overdue", "/projects?only=stalled", "/deliveries?state=dead", "/problems/rejected"
    }  # fmt: skip
    assert [(count, href, count_rows(ann, href)) for count, href in links if count_rows(ann, href) != count] == []
    with skewed.client("read") as api:
        findings = api.get("/v1/health").json()["findings"]
    assert [each["summary"] for each in findings] == page.xpath("//li[contains(@class, 'problem')]//h2/text()")
    (live,) = page.xpath("//nav//*[@id='count-problems' and @data-live]")
    assert number_in(live.text_content()) == len(findings)


def test_all_that_match_are_checked_after_a_page_that_counts_them(skewed: Served, ann: httpx.Client) -> None:
    form = {"csrf": csrf(ann), "action": "recheck", "only": "stalled", "account": "studio", "back": "/problems"}
    asked = ann.post("/projects/all", data=form).text
    assert "Check 3 projects now?" in asked
    last = re.search(r'name="last" value="(\d+)"', asked)
    assert last
    before = stored(skewed.database, OperatorAction)
    done = ann.post("/projects/all", data=form | {"sure": "yes", "last": last[1], "reason": "after the outage"})
    assert done.headers["location"] == "/problems"
    assert "(3)." in ann.get("/problems").text
    actions = stored(skewed.database, OperatorAction)[len(before) :]
    assert [(each["action"], each["reason"]) for each in actions] == [("recheck", "after the outage")] * 3
    assert (
        "Stop following 9 projects?" in ann.post("/projects/all", data={**form, "action": "untrack", "only": ""}).text
    )


def test_what_is_filtered_is_exported_as_a_whole(skewed: Served, ann: httpx.Client) -> None:
    with skewed.database.write() as connection:
        connection.execute(update(TrackedProject).where(TrackedProject.id == 1).values(name="=cmd|' /C calc'!A0"))
    lines = list(csv.DictReader(io.StringIO(ann.get("/projects/export.csv?type=text_to_video").text)))
    assert len(lines) == count_rows(ann, "/projects?type=text_to_video")
    assert lines[-1]["name"] == "'=cmd|' /C calc'!A0"
    objects = ann.get("/projects/export.json?only=refund_outstanding").json()
    assert sorted(each["project_id"] for each in objects) == sorted(
        row["project_id"]
        for row in stored(skewed.database, TrackedProject)
        if row["status"] in ("error", "canceled") and (row["credits_charged"] or 0) > 0
    )
    assert ann.get("/projects/export.json?account=nobody").json() == []


def test_a_search_takes_what_was_pasted(skewed: Served, ann: httpx.Client) -> None:
    with skewed.database.write() as connection:
        found = {"project_id": "cmb1xk2v80000l70abcdefghi", "name": "Summer Sale"}
        connection.execute(update(TrackedProject).where(TrackedProject.id == 2).values(found))
    for pasted in (
        "CMB1XK2V80000L70ABCDEFGHI", " cmb1xk2v80000l70abcdefghi ", "video/cmb1xk2v80000l70abcdefghi", "summer SALE",
        "https://magichour.ai/my-library?videoId=cmb1xk2v80000l70abcdefghi", "CMB1XK2V8",
    ):  # fmt: skip
        assert count_rows(ann, f"/projects?text={quote(pasted)}") == 1, pasted
