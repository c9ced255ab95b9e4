"""Why a project is not being checked now: every reason that holds, the true one, and what would change it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from worker.domain.monitoring.explain_next_check import Situation, explain_next_check
from worker.domain.projects.project import Project

NOW = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)
RENDERING = Project("video", "cmb1xk2v80000l70", "studio", opened_at=NOW - timedelta(hours=8), status="rendering")


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def explained(project: dict[str, Any], **situation: Any) -> tuple[list[str], str, str]:  # noqa: ANN401  any field
    alive = {"now": NOW, "next_check_at": ago(-60), "last_beat": ago(1), "last_dispatch": ago(1)}
    found = explain_next_check(replace(RENDERING, **project), Situation(**(alive | situation)))
    return [reason.code for reason in found.reasons], found.waits_for, found.remedy


LEASED = {"leased_until": ago(-30), "next_check_at": ago(20)}
CLOSED = {"state": "closed", "close_reason": "missing"}
WAITING = {"next_check_at": ago(60), "tokens": 0.2, "due": 40, "rate": 5}
DEAD = {"last_dispatch": ago(90), "last_beat": ago(90)}
NO_WORKER = {"last_dispatch": ago(90), "next_check_at": ago(80)}
BAD = {"last_problem": "bad_answer", "last_problem_detail": "no JSON", "failure_count": 7}


@pytest.mark.parametrize(
    ("project", "situation", "codes", "says", "remedy"),
    [
        ({}, {}, ["planned"], "its time", "renderwatch recheck cmb1xk2v80000l70"),
        ({"stalled_at": ago(9)}, {}, ["stalled"], "checked less often", "renderwatch untrack"),
        (BAD, {}, ["back_off"], "7 failed checks (bad_answer: no JSON)", "renderwatch recheck"),
        (BAD | {"stalled_at": ago(9)}, {}, ["back_off"], "it is stalled", "renderwatch recheck"),
        ({"state": "settling"}, {}, ["settling"], "its credits to settle", "renderwatch recheck"),
        (CLOSED, {"next_check_at": None}, ["closed"], "closed (missing)", "recheck"),
        ({}, {"next_check_at": ago(1)}, ["next_dispatch"], "the next dispatch", "nothing"),
        ({}, WAITING, ["rate_limit"], "40 due checks and may send 5 ", "RENDERWATCH_RATE"),
        ({}, {"next_check_at": ago(60), "tokens": 9}, ["workers_busy"], "a worker to be free", "renderwatch worker"),
        ({}, LEASED | {"is_begun": True, "claimed_at": ago(20)}, ["being_checked"], "it is being checked", "nothing"),
        ({}, LEASED | {"claimed_at": ago(20)}, ["not_started"], "dispatched 20 s ago", "renderwatch worker"),
        ({}, DEAD, ["planned", "dispatch_down"], "no beat runs", "renderwatch beat"),
        ({}, NO_WORKER, ["dispatch_down"], "no worker runs", "renderwatch worker"),
        ({}, {"has_key": False}, ["planned", "account_without_key"], "MAGIC_HOUR_API_KEYS", "restart the workers"),
        ({}, {"paused_until": ago(-9), "pause_reason": "unauthorized", "last_dispatch": None, "last_beat": None},
         ["planned", "account_paused", "dispatch_down"], "paused (unauthorized)", "renderwatch beat"),
    ],
)  # fmt: skip
def test_the_reason_is_the_true_one(
    project: dict[str, Any], situation: dict[str, Any], codes: list[str], says: str, remedy: str
) -> None:
    found, waits_for, to_do = explained(project, **situation)
    assert found == codes
    assert says in waits_for
    assert remedy in to_do
