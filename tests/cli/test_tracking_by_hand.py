"""What a person at a terminal does with ids: track, untrack, recheck."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.store.world import answer, name, project, seen, stored
from worker.store.engine import Database
from worker.store.models import CreditAdjustment, OperatorAction, TrackedProject


def test_ids_are_tracked_and_twice_does_no_harm(run: Run, store: Database) -> None:
    assert run("track", name(1), name(2)).out == "tracked: 2 new\n"
    assert run("track", name(1), f"audio:{name(3)}").out == "tracked: 1 new, 1 known\n"
    kinds = [(row["kind"], row["project_id"], row["state"]) for row in stored(store, TrackedProject)]
    assert kinds == [("video", name(1), "active"), ("video", name(2), "active"), ("audio", name(3), "active")]


def test_options_go_with_the_project(run: Run, store: Database) -> None:
    notify = "celery:shop.ready?queue=shop"
    said = run(
        *("track", name(1), "--kind", "image", "--credits", "5", "--metadata", '{"order": 7}', "--notify", notify),
        RENDERWATCH_NOTIFY_ALLOW='["celery:shop.*?queue=shop"]',
    )
    assert said.code == 0
    row = project(store, kind="image")
    assert (row["credits_charged"], row["metadata"]) == (5, {"order": 7})
    assert notify in str(row["notify"])
    assert [entry["amount"] for entry in stored(store, CreditAdjustment)] == [5]


def test_a_file_may_mix_ids_kinds_and_objects(run: Run, store: Database, tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_text(
        f'# yesterday\n{name(1)}\n\nimage:{name(2)}\n{{"project_id": "{name(3)}", "metadata": {{"a": 1}}}}\n'
    )
    assert run("track", "--file", str(file)).out == "tracked: 3 new\n"
    assert project(store, 3)["metadata"] == {"a": 1}


def test_good_lines_are_kept_and_each_bad_one_explained(run: Run, store: Database) -> None:
    said = run("track", "--file", "-", input=f"{name(1)}\n../../v1/account\n{{broken\n{name(2)}\n")
    assert (said.code, said.out) == (1, "tracked: 2 new\n")
    second, third = said.err.splitlines()
    assert second.startswith("item 2 rejected: ")
    assert third.startswith("item 3 rejected: ")
    assert [row["project_id"] for row in stored(store, TrackedProject)] == [name(1), name(2)]


def test_what_was_taken_is_told_to_programs_too(run: Run) -> None:
    said = run("track", name(1), "no id", "--json")
    assert said.code == 1
    assert (said.json["new"], said.json["known"], said.json["reopened"]) == (1, 0, 0)
    assert said.json["rejected"][0]["position"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no ids given"),
        ((name(1), "--metadata", "{"), "this is not JSON"),
        ((name(1), "--credits", "-1"), "x>=0"),
        ((name(1), "--kind", "film"), "'video', 'image', 'audio'"),
        (("--file", "nowhere.txt"), "nowhere.txt"),
    ],
)
def test_a_wrong_call_is_explained(run: Run, arguments: tuple[str, ...], message: str) -> None:
    said = run("track", *arguments)
    assert said.code == 2
    assert message in said.err
    assert "Traceback" not in said.err


def test_an_unknown_account_is_an_items_error(run: Run) -> None:
    said = run("track", name(1), "--account", "studio")
    assert said.code == 1
    assert "studio" in said.err


def test_untrack_ends_it_for_the_named_one_and_says_who_and_why(run: Run, store: Database) -> None:
    run("track", name(1), name(2))
    said = run("untrack", name(1), name(9), "--reason", "by mistake")
    assert (said.code, said.out, said.err) == (
        1,
        f"{name(1)}: untracked\n",
        f"{name(9)}: is not tracked, or closed already\n",
    )
    assert (project(store, 1)["close_reason"], project(store, 2)["state"]) == ("untracked", "active")
    (action,) = stored(store, OperatorAction)
    assert (action["action"], action["reason"]) == ("untrack", "by mistake")
    assert action["actor"]


def test_recheck_makes_a_closed_project_due(run: Run, store: Database) -> None:
    run("track", name(1))
    answer(store, seen("complete", 300))
    run("untrack", name(1))
    assert project(store)["next_check_at"] is None
    assert run("recheck", name(1), "--json").json == {"due_now": [name(1)], "others": []}
    assert project(store)["next_check_at"] is not None


def test_an_id_of_two_kinds_asks_which(run: Run) -> None:
    run("track", f"video:{name(1)}", f"image:{name(1)}")
    said = run("show", name(1))
    assert (said.code, said.err) == (1, f"Error: {name(1)} is known as image and video; add --kind\n")
    assert run("show", name(1), "--kind", "image").code == 0
