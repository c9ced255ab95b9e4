"""renderwatch credits report and renderwatch reconcile, as a user meets them."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler

import pytest
from sqlalchemy import update

from tests.cli.conftest import Run
from tests.magic_hour.server import Server, reply, serving
from tests.store.world import answer, name, request, seen, track
from worker.store.engine import Database
from worker.store.models import Account, TrackedProject

SUMS = ["entries", "charged_credits", "corrected_credits", "refunded_credits", "net_credits"]


@pytest.fixture
def spent(store: Database) -> None:
    """Acme's project failed and got its credits back; a second one, of nobody, failed and did not."""
    track(store, request(1, metadata={"customer": "=acme"}))
    answer(store, seen("rendering", 450, type="LIP_SYNC"), seen("error", 450, type="LIP_SYNC"))
    answer(store, seen("error", 0, type="LIP_SYNC"))
    with store.write() as connection:
        connection.execute(
            update(TrackedProject).values(
                state="closed", close_reason="settled", next_check_at=None, closed_at=TrackedProject.finished_at
            )
        )
    track(store, 2)
    answer(store, seen("error", 30, type="LIP_SYNC"))


@pytest.mark.usefixtures("spent")
def test_the_report_in_every_form(run: Run) -> None:
    told = run("credits", "report", "--json").json
    (row,) = told["rows"]
    assert [row[column] for column in SUMS] == [3, 480, 0, -450, 30]
    assert told["total"] == {column: row[column] for column in SUMS}
    assert told["refunds_outstanding"] == {"projects": 1, "credits": 30}
    said = run("credits", "report", "--by", "type", "--by", "account")
    assert said.out.splitlines()[1].split() == ["LIP_SYNC", "default", "3", "480", "0", "-450", "30"]
    assert said.out.splitlines()[2].split()[0] == "total"
    assert "refunds outstanding: 30 credits of 1 failed or canceled projects" in said.err


@pytest.mark.usefixtures("spent")
def test_the_report_by_customer_says_what_has_none_and_gives_spreadsheets_no_formula(run: Run) -> None:
    lines = run("credits", "report", "--metadata", "customer").out.splitlines()
    assert lines[1].split() == ["=acme", "2", "450", "0", "-450", "0"]
    assert lines[2].split() == ["(without", "it)", "1", "30", "0", "0", "30"]
    (row,) = csv.DictReader(io.StringIO(run("credits", "report", "--metadata", "customer", "--csv").out))
    assert row == {"customer": "'=acme", **dict(zip(SUMS, ["2", "450", "0", "-450", "0"], strict=True))}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--csv", "--json"), "not both"),
        (("--since", "2026-02-01", "--until", "2026-02-01"), "later than --since"),
        (("--by", "colour"), "colour"),
        (("--since", "yesterday"), "yesterday"),
    ],
)
def test_a_report_that_cannot_be_made_is_explained(run: Run, arguments: tuple[str, ...], complaint: str) -> None:
    said = run("credits", "report", *arguments)
    assert (said.code, complaint in said.err) == (2, True)


class MagicHour:
    """What the API says at the moment."""

    def __init__(self) -> None:
        self.balance = 1000
        self.projects: dict[str, dict[str, object]] = {}

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/v1/account":
            reply(200, json.dumps({"credits": self.balance}).encode())(handler)
        else:
            body = self.projects.get(handler.path.rpartition("/")[2])
            reply(200 if body else 404, json.dumps(body or {"message": "Not Found"}).encode())(handler)


@pytest.fixture
def api() -> MagicHour:
    return MagicHour()


@pytest.fixture
def server(run: Run, api: MagicHour, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    del run  # needed first: it clears the address that is set here
    with serving(api) as server:
        monkeypatch.setenv("MAGIC_HOUR_BASE_URL", server.url)
        monkeypatch.setenv("RENDERWATCH_RATE", "1000")
        yield server


@pytest.mark.usefixtures("server")
def test_a_balance_that_falls_by_what_was_spent_agrees(run: Run, store: Database, api: MagicHour) -> None:
    assert run("reconcile", "--sample", "0").code == 0
    track(store, 1)
    answer(store, seen("rendering", 450))
    api.balance = 550
    said = run("reconcile", "--sample", "0", "--json")
    (window,) = said.json["balances"]
    assert (window["ledger"], window["difference"], window["agrees"]) == (450, 0, True)
    api.balance = 9000
    said = run("reconcile", "--sample", "0")
    assert said.code == 0, "a top-up is no failure"
    assert "+8450" in said.out
    assert "a top-up" in said.out
    api.balance = 8000
    said = run("reconcile", "--sample", "0")
    assert said.code == 1
    assert "untracked spending" in said.out


@pytest.mark.usefixtures("server", "spent")
def test_a_fresh_check_tells_what_differs_and_changes_nothing(run: Run, api: MagicHour) -> None:
    body = {"id": name(1), "status": "error", "credits_charged": 450, "enabled": True, "downloads": []}
    api.projects[name(1)] = {**body, "created_at": "2026-09-25T17:34:24Z", "error": None}
    said = run("reconcile", "--sample", "5")
    assert said.code == 1
    assert f"error, 0 credits in the ledger; error, 450 at Magic Hour; renderwatch recheck {name(1)}" in said.out
    assert run("credits", name(1), "--json").json[-1]["total"] == 0
    api.projects.clear()
    said = run("reconcile", "--sample", "5", "--json")
    assert (said.code, {each["verdict"] for each in said.json["sample"]}) == (0, {"gone"})


@pytest.mark.usefixtures("spent")
def test_an_api_that_finds_nothing_does_not_prove_that_a_project_is_gone(run: Run, server: Server) -> None:
    server.answer = reply(404, b'{"code": "not_found", "message": "Not Found"}', Content_Type="application/json")
    said = run("reconcile", "--sample", "5", "--json")
    assert (said.code, {each["verdict"] for each in said.json["sample"]}) == (0, {"unknown"})
    assert "check MAGIC_HOUR_BASE_URL" in said.json["sample"][0]["detail"]


@pytest.mark.usefixtures("server")
def test_an_account_that_pauses_is_not_asked(run: Run, store: Database, server: Server) -> None:
    track(store, 1)
    with store.write() as connection:
        connection.execute(update(Account).values(paused_until=datetime(2100, 1, 1, tzinfo=UTC)))
    said = run("reconcile", "--sample", "0")
    assert "account default is paused" in said.err
    assert server.paths == []


def test_upkeep_by_hand(run: Run, store: Database) -> None:
    track(store, 1)
    answer(store, seen("complete", 300))
    said = run("upkeep", RENDERWATCH_RETENTION="86400")
    assert (said.code, said.out.endswith("days closed, 0 projects removed\n")) == (0, True)
    assert "RENDERWATCH_RETENTION" in run("upkeep", RENDERWATCH_RETENTION="60").err
