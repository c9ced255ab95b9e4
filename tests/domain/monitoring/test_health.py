"""Every incident has its own name, cause and remedy, and green means that work moves."""

import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from worker.cli.commands import COMMANDS
from worker.domain.monitoring.account_keys import has_key
from worker.domain.monitoring.facts import AccountFacts, Facts, FailingDestination, is_alive
from worker.domain.monitoring.health import Health, judge

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


ACCOUNT = AccountFacts("default", has_key=True)
WELL = Facts(
    now=NOW,
    accounts=(ACCOUNT,),
    active=100,
    last_beat=ago(2),
    last_dispatch=ago(1),
    last_check=ago(2),
    last_intake=ago(3),
    target_delay=5,
)


def due(seconds: float, **fields: Any) -> AccountFacts:  # noqa: ANN401  any fact of an account
    """An account with ten checks that have been due for so long."""
    late: dict[str, Any] = {"due": 10, "due_since": ago(seconds), "unclaimed_since": ago(seconds)}
    return replace(ACCOUNT, **late | fields)


def codes(health: Health) -> list[str]:
    return [finding.code for finding in health.findings]


def test_green_when_work_moves() -> None:
    moving = replace(WELL, accounts=(due(3),), started_leases=4)
    for facts in (WELL, moving):
        assert judge(facts).status == "ok"
        assert codes(judge(facts)) == []


INCIDENTS: dict[str, Facts] = {
    "beat_down": replace(WELL, last_beat=ago(300), last_dispatch=ago(299)),
    "dispatch_not_run": replace(WELL, last_beat=ago(3), last_dispatch=ago(299)),
    "intake_not_read": replace(WELL, last_intake=ago(60)),
    "late": replace(WELL, accounts=(due(16),)),
    "overdue": replace(WELL, accounts=(due(200, overdue=3),)),
    "checks_not_consumed": replace(
        WELL, accounts=(due(40, unclaimed_since=None),), unstarted_leases=1, last_check=ago(3600)
    ),
    "checks_hang": replace(WELL, accounts=(due(90, unclaimed_since=None),), started_leases=1, last_check=ago(90)),
    "account_paused": replace(
        WELL, accounts=(due(900, overdue=10, is_paused=True, pause_reason="unauthorized", paused_until=ago(-30)),)
    ),
    "checks_fail": replace(WELL, accounts=(replace(ACCOUNT, failing=3, failing_since=ago(90)),)),
    "webhooks_stopped": replace(WELL, accounts=(replace(ACCOUNT, last_webhook=ago(900), missed_webhooks=20),)),
    "account_without_key": replace(WELL, accounts=(due(900, overdue=10, has_key=False),)),
    "database_read_only": replace(WELL, is_read_only=True),
    "deliveries_not_sent": replace(WELL, pending_deliveries=4, undelivered_since=ago(90)),
    "destination_failing": replace(
        WELL, failing_destinations=[FailingDestination("https://a.example/hook?x=1", ago(900), "HTTP 503", 7)]
    ),
    "dead_deliveries": replace(WELL, dead_deliveries=1, dead_since=ago(900)),
    "delay_above_target": replace(WELL, ends=30, mean_delay=13.0),
    "track_requests_locked": replace(WELL, track_requests=2, locked_track_requests=1),
    "stalled_projects": replace(WELL, stalled=2, stalled_since=ago(900)),
    "invariants_violated": replace(WELL, violations=2, violated_since=ago(900)),
    "rejected_requests": replace(WELL, rejected_requests=2, rejected_since=ago(900)),
}


@pytest.mark.parametrize("code", INCIDENTS)
def test_each_incident_is_named_once_with_its_own_cause(code: str) -> None:
    health = judge(INCIDENTS[code])
    assert codes(health) == [code]
    assert health.status != "ok"
    (finding,) = health.findings
    assert finding.summary
    assert finding.cost


@pytest.mark.parametrize("code", INCIDENTS)
def test_every_remedy_that_is_a_command_of_ours_exists(code: str) -> None:
    found = judge(INCIDENTS[code]).findings[0]
    words = shlex.split(found.fix.replace(";", " ").replace(",", " "))
    ours = [following for word, following in pairwise(words) if word == "renderwatch"]
    assert set(ours) <= set(COMMANDS)
    assert ours or "page" in found.fix


def test_the_cause_is_told_and_not_its_consequences() -> None:
    dead_beat = replace(WELL, last_beat=ago(900), last_dispatch=ago(900), accounts=(due(900, overdue=10),))
    assert codes(judge(dead_beat)) == ["beat_down"]
    assert judge(dead_beat).status == "critical"


def test_silence_in_a_read_only_database_is_not_blamed_on_beat_and_workers() -> None:
    silent = replace(WELL, is_read_only=True, last_beat=ago(900), last_dispatch=ago(900), last_intake=ago(900))
    health = judge(replace(silent, accounts=(due(900, overdue=10),)))
    assert codes(health) == ["database_read_only"]
    assert "RESET default_transaction_read_only" in health.findings[0].fix
    assert "renderwatch beat" not in health.findings[0].fix


FULL = "the broker is full (command not allowed when used memory > 'maxmemory'.)"


@pytest.mark.parametrize(
    ("facts", "cause", "remedy"),
    [
        (replace(WELL, last_intake=ago(299)), "no worker runs what it sends", "renderwatch worker"),
        (replace(WELL, beat_problem=FULL), "the broker is full (command", "raise its maxmemory"),
        (replace(WELL, beat_problem="no connection to the broker"), "no connection", "start the broker"),
        (WELL, "nothing reads the queue renderwatch.upkeep", "renderwatch worker -Q renderwatch.upkeep"),
    ],
)
def test_why_nothing_is_dispatched_is_told_apart(facts: Facts, cause: str, remedy: str) -> None:
    (finding,) = judge(replace(facts, last_dispatch=ago(299))).findings
    assert finding.code == "dispatch_not_run"
    assert cause in finding.summary
    assert remedy in finding.fix


def test_an_intake_queue_that_cannot_be_read_says_why() -> None:
    wrong = replace(WELL, last_intake=ago(90), intake_problem="WRONGTYPE Operation against a key of another kind")
    (finding,) = judge(wrong).findings
    assert finding.code == "intake_not_read"
    assert "WRONGTYPE" in finding.summary
    assert "another program uses the key" in finding.fix


def test_beats_and_workers_that_are_both_dead_are_both_named() -> None:
    dead = replace(WELL, last_beat=ago(300), last_dispatch=ago(299), last_intake=ago(300))
    assert codes(judge(dead)) == ["beat_down", "intake_not_read"]
    assert codes(judge(Facts(now=NOW))) == ["beat_down"], "where nothing ever ran, one says so"


def test_critical_findings_come_first_and_decide() -> None:
    health = judge(replace(WELL, dead_deliveries=5, last_dispatch=None, last_beat=None))
    assert codes(health) == ["beat_down", "dead_deliveries"]
    assert health.status == "critical"
    assert judge(replace(WELL, dead_deliveries=5)).status == "warning"


def test_a_first_check_after_an_idle_hour_is_no_incident() -> None:
    facts = replace(WELL, accounts=(due(2, unclaimed_since=None),), unstarted_leases=1, last_check=ago(3600))
    assert codes(judge(facts)) == []


def test_few_ends_say_nothing_of_the_mean() -> None:
    assert codes(judge(replace(WELL, ends=3, mean_delay=60.0))) == []


def test_a_pause_says_why_and_what_mends_it() -> None:
    (finding,) = judge(INCIDENTS["account_paused"]).findings
    assert "refuses its API key" in finding.summary
    assert "its key in MAGIC_HOUR_API_KEY," in finding.fix
    assert finding.subject == "default"
    assert finding.severity == "critical"


@pytest.mark.parametrize(("name", "variable"), [("default", "MAGIC_HOUR_API_KEY"), ("studio", "MAGIC_HOUR_API_KEYS")])
@pytest.mark.parametrize("code", ["account_paused", "account_without_key"])
def test_the_remedy_names_the_variable_that_holds_the_key(code: str, name: str, variable: str) -> None:
    (account,) = INCIDENTS[code].accounts
    (finding,) = judge(replace(INCIDENTS[code], accounts=(replace(account, name=name),))).findings
    assert variable in finding.fix.replace(",", " ").split()


def test_a_mean_delay_after_an_interruption_needs_nothing() -> None:
    (finding,) = judge(INCIDENTS["delay_above_target"]).findings
    assert finding.fix.startswith("none if something was down or paused within the last hour")


def test_accounts_that_senders_made_up_are_one_finding_and_not_critical() -> None:
    made_up = [replace(due(900, due=2, has_key=False), name=f"made-up-{number:03}") for number in range(300)]
    (finding,) = judge(replace(WELL, accounts=(ACCOUNT, *made_up))).findings
    assert (finding.code, finding.severity, finding.subject) == ("account_without_key", "warning", None)
    assert finding.summary.endswith("made-up-004 and 295 more")
    assert finding.cost == "600 due checks of these accounts wait"
    assert finding.count is None  # no list shows the projects of just these accounts


@pytest.mark.parametrize("was_answered", [False, True])
def test_an_account_without_a_key_says_how_many_projects_wait(*, was_answered: bool) -> None:
    waiting = replace(due(900, due=2, has_key=False), name="studio", was_answered=was_answered)
    (finding,) = judge(replace(WELL, accounts=(ACCOUNT, waiting))).findings
    assert (finding.subject, finding.count) == ("studio", 2)


def test_an_account_that_worked_and_has_no_key_any_more_is_critical_beside_made_up_ones() -> None:
    lost = due(900, has_key=False, was_answered=True)
    accounts = (replace(ACCOUNT, name="good"), lost, *(replace(due(9, has_key=False), name=n) for n in ("a", "b")))
    findings = judge(replace(WELL, accounts=accounts)).findings
    assert [(each.severity, each.subject) for each in findings] == [("critical", "default"), ("warning", None)]
    assert "any more" in findings[0].summary


@pytest.mark.parametrize(
    ("seconds", "last_dispatch", "own", "known"),
    [
        (50, 1, (), True),
        (70, 1, (), False),
        (70, 1, ("default",), False),
        (50, 1, ("other",), True),
        (50, 60, (), None),
        (70, None, ("default",), True),
        (50, 60, ("other",), False),
    ],
)
def test_who_has_a_key_is_what_workers_show_while_they_dispatch(
    seconds: float, last_dispatch: float | None, own: tuple[str, ...], *, known: bool | None
) -> None:
    dispatched = None if last_dispatch is None else ago(last_dispatch)
    assert has_key("default", own, ago(seconds), dispatched, NOW) is known


@pytest.mark.parametrize(
    ("count", "cost"), [(1, "1 due check of this account waits"), (2, "2 due checks of this account wait")]
)
def test_one_waits_and_two_wait(count: int, cost: str) -> None:
    account = due(900, due=count, has_key=False)
    (finding,) = judge(replace(WELL, accounts=(account,))).findings
    assert finding.cost == cost


def test_a_destination_that_fails_is_named_with_its_error_and_what_waits() -> None:
    (finding,) = judge(INCIDENTS["destination_failing"]).findings
    assert finding.summary == "destination https://a.example/…9eda8e44 has been failing for 15 min (HTTP 503)"
    assert finding.cost.startswith("7 deliveries wait for it")
    assert finding.fix.endswith("renderwatch deliveries list --destination 'https://a.example/…9eda8e44'")
    assert (finding.severity, finding.since) == ("warning", ago(900))


def test_a_heartbeat_from_the_future_proves_nothing() -> None:
    assert is_alive(ago(1), NOW)
    assert not is_alive(ago(31), NOW)
    assert not is_alive(ago(-3600), NOW)
    assert not is_alive(None, NOW)


@pytest.mark.parametrize("fields", [{"failing": 2}, {"failing": 9, "has_key": False}])
def test_a_few_failing_projects_and_accounts_without_key_are_not_checks_that_fail(fields: dict[str, Any]) -> None:
    assert codes(judge(replace(WELL, accounts=(replace(ACCOUNT, **fields),)))) == []


def test_a_paused_account_is_not_reported_twice() -> None:
    paused = replace(ACCOUNT, failing=9, is_paused=True, pause_reason="unavailable")
    assert codes(judge(replace(WELL, accounts=(paused,)))) == ["account_paused"]


@pytest.mark.parametrize(
    ("count", "said"), [(1, "1 request "), (9_999, "9,999 requests "), (10_000, "10,000 or more requests ")]
)
def test_a_count_that_stops_says_so(count: int, said: str) -> None:
    facts = replace(WELL, rejected_requests=count, rejected_since=ago(900))
    assert judge(facts).findings[0].summary == f"{said}rejected within a day"
