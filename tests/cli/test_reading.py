"""What a person, or a program, reads of what was recorded."""

import re
from datetime import datetime
from io import StringIO

import pytest
from rich.console import Console

from tests.cli.conftest import Run
from tests.store.world import answer, name, seen, track
from worker.cli.watch import progress, snapshot
from worker.domain.projects.observation import ProjectError
from worker.store.engine import Database
from worker.store.projects.queries import Filter
from worker.tracking.learn_durations import LearnedDurations


@pytest.fixture
def told(store: Database) -> None:
    """One project that failed and got its credits back."""
    track(store, 1)
    error = ProjectError("RENDER_FAILED", "no face \x1b[31mfound")
    answer(
        store,
        seen("queued", 450, type="FACE_SWAP", name="Holiday"),
        seen("rendering", 450, type="FACE_SWAP", name="Holiday"),
        seen("error", 0, type="FACE_SWAP", name="Holiday", error=error),
    )


@pytest.mark.usefixtures("told")
def test_show_tells_all_of_a_project(run: Run) -> None:
    said = run("show", name(1))
    assert said.code == 0
    for word in ("FACE_SWAP", "Holiday", "settling", "RENDER_FAILED", "refund", "-450", "project.failed"):
        assert word in said.out
    assert "\x1b[31m" not in said.out  # what the API sends cannot colour the terminal


def test_show_tells_when_a_running_project_is_expected_to_finish(run: Run, store: Database) -> None:
    track(store, 1)
    answer(store, seen("rendering", 450, type="VIDEO_TO_VIDEO", created_at=None))
    said = run("show", name(1))
    assert "expected to finish" in said.out
    assert re.search(r"in about 1[0-9] min .*80 % between", said.out)
    made = run("show", name(1), "--json").json["estimate"]
    assert made["source"] == "published"
    assert 0 <= made["progress"] < 0.2
    assert made["earliest_at"] < made["finish_at"] < made["latest_at"]


@pytest.mark.parametrize(
    ("status", "shown"), [("rendering", "━━━━━━━━━━ in about 1[0-9] min .*80 % between"), ("complete", "complete")]
)
def test_watch_shows_progress_until_the_end(store: Database, status: str, shown: str) -> None:
    track(store, 1)
    answer(store, seen(status, 450, type="VIDEO_TO_VIDEO", created_at=None))
    out = Console(width=200, file=StringIO())
    out.print(progress(snapshot(store, LearnedDurations(store, 10), Filter(), 10), 20))
    assert isinstance(out.file, StringIO)
    assert re.search(shown, re.sub(" +", " ", out.file.getvalue()))


@pytest.mark.usefixtures("told")
def test_show_for_programs(run: Run) -> None:
    shown = run("show", name(1), "--json").json
    assert (shown["status"], shown["state"], shown["credits_charged"]) == ("error", "settling", 0)
    assert [step["to_status"] for step in shown["history"]] == ["queued", "rendering", "error"]
    assert [(entry["reason"], entry["amount"]) for entry in shown["credits"]] == [("estimate", 450), ("refund", -450)]
    assert "project.failed" in [event["type"] for event in shown["events"]]
    assert "lease_token" not in shown
    assert shown["estimate"] is None


@pytest.mark.usefixtures("told")
def test_history_tells_how_exact_each_time_is(run: Run) -> None:
    first, second, third = run("history", name(1), "--json").json
    assert (first["from_status"], first["to_status"], first["observed_after"]) == (None, "queued", None)
    assert (third["from_status"], third["to_status"]) == ("rendering", "error")
    assert datetime.fromisoformat(second["observed_after"]) <= datetime.fromisoformat(second["observed_at"])
    assert "rendering" in run("history", name(1)).out


@pytest.mark.usefixtures("told")
def test_the_ledger_adds_up(run: Run) -> None:
    entries = run("credits", name(1), "--json").json
    assert sum(entry["amount"] for entry in entries) == entries[-1]["total"] == 0
    assert "-450" in run("credits", name(1)).out


@pytest.mark.parametrize("command", ["show", "history", "credits"])
def test_an_unknown_id_is_said_in_one_line(run: Run, command: str) -> None:
    said = run(command, name(9))
    assert (said.code, said.out) == (1, "")
    assert said.err == f"Error: {name(9)} is not tracked; run: renderwatch track {name(9)}\n"


def test_list_filters_and_tells_what_it_leaves_out(run: Run, store: Database) -> None:
    track(store, 1)
    answer(store, seen("complete", 300))
    track(store, 2, 3)
    run("untrack", name(3))

    def ids(*options: str) -> list[str]:
        return [row["project_id"] for row in run("list", "--json", *options).json]

    assert ids() == [name(3), name(2), name(1)]
    assert ids("--state", "open") == [name(2), name(1)]
    assert ids("--state", "closed") == [name(3)]
    assert ids("--status", "complete") == [name(1)]
    assert ids("--kind", "audio") == []
    limited = run("list", "--limit", "1")
    assert name(3) in limited.out
    assert limited.err == "1 of 3; --limit shows more\n"


def test_watch_ends_when_all_have_completed(run: Run, store: Database) -> None:
    track(store, 1)
    answer(store, seen("complete", 300))
    said = run("watch", name(1))
    assert (said.code, said.out) == (0, f"video {name(1)} complete (settling), 300 credits\n")


def test_watch_tells_a_failure_by_its_code(run: Run, store: Database) -> None:
    track(store, 1)
    answer(store, seen("error", 0))
    said = run("watch", name(1), "--json")
    assert said.code == 1
    assert said.json["status"] == "error"


def test_watch_gives_up_when_told_to(run: Run, store: Database) -> None:
    track(store, 1)
    said = run("watch", "--timeout", "0")
    assert said.code == 3
    assert said.out == f"video {name(1)} not seen yet (active), None credits\n"


def test_watch_with_nothing_to_watch_says_what_to_do(run: Run) -> None:
    said = run("watch")
    assert (said.code, said.err) == (1, "Error: no project is open; give the ids of projects to watch\n")
