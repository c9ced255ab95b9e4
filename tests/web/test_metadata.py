"""Spend, failures and open work by customer: on the page, as CSV and by HTTP."""

import csv
import html
import io
import re
from urllib.parse import quote

import httpx
import pytest

from tests.store.world import request, seen, track
from tests.web.conftest import Served, answer_all
from tests.web.test_pages import log_in
from worker.store.engine import Database

HOSTILE = "\u202e=<b>a:b*&\"'/%é🎬"
CUSTOMERS = {"acme": (1, 2, 3), "zeta": (4, 5), HOSTILE: (6,)}
PROJECTS = {customer: len(numbers) for customer, numbers in CUSTOMERS.items()} | {"4711": 1}
ACME = {"value": "acme", "spent": 900, "refunded": 600, "failed": 2, "open": 3}


def fill(database: Database) -> None:
    """Each customer's first projects fail and are refunded in part; the last one of each is still open."""
    for customer, numbers in CUSTOMERS.items():
        track(database, *(request(n, metadata={HOSTILE: customer, "customer": customer}) for n in numbers[:-1]))
    answer_all(database, seen("rendering", 450), seen("error", 150))
    track(database, *(request(n[-1], metadata={HOSTILE: c, "customer": c}) for c, n in CUSTOMERS.items()))
    track(database, request(7, metadata={"customer": ["nested"]}), request(8, metadata={"customer": 4711}), 9)


@pytest.mark.parametrize("key", ["customer", HOSTILE])
def test_each_number_leads_to_the_projects_that_it_counts(web: Served, key: str) -> None:
    fill(web.database)
    with log_in(web, "read") as client:
        page = client.get("/metadata", params={"key": key}).text
        assert "<b>" not in page
        links = re.findall(r'<a href="(/projects\?key=[^"]*)">(?:<bdi>)?([^<]*)', page)
        assert len(links) == (4 + 2 + 4 if key == "customer" else 3 + 2 + 3)
        for link, shown in links:
            text = html.unescape(shown).replace("[U+202E]", "\u202e")
            listed = re.findall(r'<td class="main-cell"><a href="/projects/', client.get(html.unescape(link)).text)
            assert len(listed) == (PROJECTS.get(text) or int(text)), link


def test_the_page_adds_up_and_exports_itself(web: Served) -> None:
    fill(web.database)
    with log_in(web, "read") as client:
        export = client.get("/metadata.csv", params={"key": "customer"})
        assert export.headers["content-type"] == "text/csv; charset=utf-8"
        rows = list(csv.DictReader(io.StringIO(export.text)))
    by_customer = {row.pop("customer"): row for row in rows}
    assert by_customer["acme"] == {"spent": "900", "refunded": "600", "failed": "2", "open": "3"}
    assert by_customer["4711"] == {"spent": "0", "refunded": "0", "failed": "0", "open": "1"}
    assert by_customer[""]["open"] == "1"  # the nested one
    assert len(rows) == 5


def test_programs_get_the_same(api: httpx.Client, web: Served) -> None:
    fill(web.database)
    told = api.get("/v1/metadata", params={"key": "customer", "limit": 1}).json()
    assert told == {"data": [ACME], "has_more": True, "complete": True}
    future = api.get("/v1/metadata", params={"key": "customer", "since": "2100-01-01T00:00:00Z"}).json()["data"]
    assert [row["spent"] for row in future] == [0] * 5
    assert api.get("/v1/metadata").status_code == 422
    finished = {"metadata": "customer:acme", "finished_after": "2100-01-01T00:00:00Z"}
    assert api.get("/v1/projects", params=finished).json()["data"] == []
    found = api.get("/v1/projects?metadata=" + quote(f"customer:{HOSTILE}")).json()["data"]
    assert [row["metadata"]["customer"] for row in found] == [HOSTILE]
