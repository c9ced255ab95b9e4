"""What a person at a terminal does with ids: track, untrack, recheck."""

import getpass
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
    assert {row["tracked_by"] for row in stored(store, TrackedProject)} == {getpass.getuser()}
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


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_from_windows_is_read(run: Run, tmp_path: Path, encoding: str) -> None:
    """Excel puts a mark at the start of its files; PowerShell's > writes UTF-16."""
    file = tmp_path / "ids.txt"
    file.write_text(f"{name(1)}\r\nimage:{name(2)}\r\n", encoding=encoding, newline="")
    assert run("track", "--file", str(file)).out == "tracked: 2 new\n"


def test_good_lines_are_kept_and_each_bad_one_explained(run: Run, store: Database) -> None:
    said = run("track", "--file", "-", input=f"{name(1)}\n../../v1/account\n{{broken\n{name(2)}\n")
    assert (said.code, said.out) == (1, "tracked: 2 new\n")
    second, third = said.err.splitlines()
    assert second.startswith("item 2 rejected: ")
    assert third.startswith("item 3 rejected: ")
    assert [row["project_id"] for row in stored(store, TrackedProject)] == [name(1), name(2)]


def test_a_line_that_is_not_utf8_is_named_and_the_others_tracked(run: Run, store: Database, tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    broken = b'{"project_id": "%s", "metadata": {"a": "\xff"}}' % name(2).encode()
    file.write_bytes(b"\n".join([b"# caf\xe9", name(1).encode(), broken, name(3).encode()]))
    said = run("track", "--file", str(file))
    assert (said.code, said.out) == (1, "tracked: 2 new\n")
    assert said.err.splitlines()[-1] == "item 2 rejected: line 3 of the file is not UTF-8 text"
    assert [row["project_id"] for row in stored(store, TrackedProject)] == [name(1), name(3)]
    assert run("track", "--file", str(file), "--json").json["rejected"][-1]["request"].startswith('{"project_id"')


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
        ((name(1), "--credits", "-1"), "0<=x<=1000000000000"),
        ((name(1), "--credits", "1000000000001"), "0<=x<=1000000000000"),
        ((name(1), "--metadata", "[" * 20_000), "this is not JSON"),
        ((name(1), "--metadata", '{"a": 1, "a": 2}'), "the key 'a' occurs twice"),
        ((name(1), "--kind", "film"), "'video', 'image', 'audio'"),
        (("--file", "nowhere.txt"), "nowhere.txt"),
    ],
)
def test_a_wrong_call_is_explained(run: Run, arguments: tuple[str, ...], message: str) -> None:
    said = run("track", *arguments)
    assert said.code == 2
    assert message in said.err
    assert "Traceback" not in said.err


def test_metadata_that_is_nested_too_deep_is_one_line(run: Run) -> None:
    deep = '{"a":' * 20_000 + "1" + "}" * 20_000
    said = run("track", name(1), "--metadata", deep)
    assert (said.code, said.out) == (1, "tracked: nothing\n")
    assert said.err == "item 1 rejected: metadata is nested deeper than 16 levels\n"


def test_a_project_of_an_account_without_a_key_waits_and_says_so(run: Run) -> None:
    said = run("track", name(1), "--account", "studio")
    assert (said.code, said.out) == (0, "tracked: 1 new\n")
    assert said.err == (
        "account 'studio' has no API key here: its projects are kept, and wait for a worker that has it in"
        " MAGIC_HOUR_API_KEYS\n"
    )


def test_a_second_sending_says_what_it_added(run: Run) -> None:
    run("track", name(1))
    said = run("track", name(1), "--credits", "450", "--metadata", '{"order": 7}')
    assert said.out == f"tracked: 1 known, 1 completed\nvideo {name(1)}: added credits_charged, metadata\n"
    said = run("track", name(1), "--metadata", '{"order": 8}')
    assert (said.out, said.err) == (
        "tracked: 1 known\n",
        f"video {name(1)}: metadata kept the values of the first request\n",
    )


def test_untrack_ends_it_for_the_named_one_and_says_who_and_why(run: Run, store: Database) -> None:
    run("track", name(1), name(2))
    said = run("untrack", name(1), name(9), "--reason", "by mistake")
    assert (said.code, said.out, said.err) == (
        1,
        f"{name(1)}: untracked\n",
        f"{name(9)}: is not tracked, or already closed\n",
    )
    assert (project(store, 1)["close_reason"], project(store, 2)["state"]) == ("untracked", "active")
    (action,) = stored(store, OperatorAction)
    assert (action["action"], action["reason"]) == ("untrack", "by mistake")
    assert action["actor"]


@pytest.mark.parametrize("command", ["recheck", "untrack", "watch"])
def test_an_id_of_two_kinds_needs_a_kind_and_without_one_nothing_changes(
    run: Run, store: Database, command: str
) -> None:
    run("track", f"video:{name(1)}", f"audio:{name(1)}", name(2))
    before = stored(store, TrackedProject)
    said = run(command, name(2), name(1))
    assert (said.code, said.err) == (1, f"Error: {name(1)} is tracked as audio and video; add --kind\n")
    assert (stored(store, TrackedProject), stored(store, OperatorAction)) == (before, [])


def test_a_kind_says_which_of_two_projects_is_meant(run: Run, store: Database) -> None:
    run("track", f"video:{name(1)}", f"audio:{name(1)}")
    assert run("untrack", name(1), "--kind", "audio").code == 0
    assert {row["kind"]: row["state"] for row in stored(store, TrackedProject)} == {
        "video": "active",
        "audio": "closed",
    }


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
    assert (said.code, said.err) == (1, f"Error: {name(1)} is tracked as image and video; add --kind\n")
    assert run("show", name(1), "--kind", "image").code == 0
