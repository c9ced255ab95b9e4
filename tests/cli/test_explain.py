"""Why and when: explain, delays, accounts."""

from datetime import timedelta

from sqlalchemy import update

from tests.cli.conftest import Run
from tests.store.world import answer, change, name, pass_time, seen, stored, track
from worker.domain.projects.observation import CheckFailure, FailureKind
from worker.store.engine import Database, clock
from worker.store.models import Account, OperatorAction
from worker.tracking.learn_durations import learn_durations


def test_explain_tells_what_the_next_check_follows_from(run: Run, store: Database) -> None:
    track(store, 1)
    assert "waits for: dispatch, which has never run: no beat runs" in run("explain", name(1)).out
    answer(store, seen("queued", type="NEW_THING"), seen("rendering", type="NEW_THING"))
    said = run("explain", name(1)).out
    for words in (
        "next check: in ",
        "since it was last seen in the queue",
        "nothing is known yet",
        "price: ",
        "planned gap: ",
    ):
        assert words in said
    answer(store, seen("complete", type="NEW_THING"))
    learn_durations(store)
    assert "waits for: its credits to settle" in run("explain", name(1)).out
    track(store, 2)
    answer(store, seen("rendering", type="NEW_THING"))
    assert "learned from 1 render of NEW_THING" in run("explain", name(2)).out


def test_explain_names_a_published_median_a_back_off_and_an_end(run: Run, store: Database) -> None:
    track(store, 1)
    answer(store, seen("rendering", type="ANIMATION"))
    assert "published median of ANIMATION, 596 s" in run("explain", name(1)).out
    answer(store, CheckFailure(FailureKind.BAD_ANSWER, "no JSON"))
    assert "back-off to end after a failed check (bad_answer: no JSON)" in run("explain", name(1)).out
    run("untrack", name(1))
    assert (
        run("explain", name(1)).out.splitlines()[1] == "next check: never; waits for: nothing, it is closed (untracked)"
    )


def test_explain_says_what_the_age_is_counted_from(run: Run, store: Database) -> None:
    track(store, 1)
    answer(store, seen("rendering"))
    with store.read() as connection:
        now = clock(connection)
    change(store, created_at=now)
    assert "since it was tracked" in run("explain", name(1)).out
    change(store, created_at=now - timedelta(hours=1))
    assert "since it was created at Magic Hour" in run("explain", name(1)).out


def test_explain_for_programs(run: Run, store: Database) -> None:
    track(store, 1)
    answer(store, seen("rendering", type="ANIMATION"))
    told = run("explain", name(1), "--json").json
    assert (told["durations"], told["state"]) == ("published", "active")
    assert told["waits_for"] == "its time; and dispatch, which has never run: no beat runs"
    assert (told["reasons"], told["remedy"]) == (["planned", "dispatch_down"], "renderwatch beat")
    assert run("show", name(1), "--json").json["waits_for"] == told["waits_for"]
    assert told["gap_seconds"] > 0
    assert told["odds"] > 0
    assert run("explain", name(9)).err.startswith(f"Error: {name(9)} is not tracked")


def test_delays_by_type(run: Run, store: Database) -> None:
    track(store, 1)
    answer(store, seen("rendering", type="NEW_TYPE"))
    pass_time(store, 8)
    answer(store, seen("complete", type="NEW_TYPE"))
    (told,) = run("delays", "--json").json
    assert (told["kind"], told["type"], told["renders"], told["checks"]) == ("video", "NEW_TYPE", 1, 2)
    assert told["mean"] == told["p99"]
    assert 3 < told["mean"] < 6
    assert "NEW_TYPE" in run("delays").out


def test_an_account_shows_its_pause_and_can_be_resumed(run: Run, store: Database) -> None:
    track(store, 1)
    answer(store, CheckFailure(FailureKind.UNAUTHORIZED, "unknown key"))
    (told,) = run("accounts", "--json").json
    assert (told["name"], told["pause_reason"], told["has_key"], told["open_projects"]) == (
        "default",
        "unauthorized",
        True,
        1,
    )
    assert told["price"] > 0
    said = run("accounts", "--resume", "default", "--reason", "new key")
    assert (said.code, "unauthorized" in said.out) == (0, False)
    assert stored(store, Account)[0]["paused_until"] is None
    (action,) = stored(store, OperatorAction)
    assert (action["action"], action["reason"]) == ("resume account", "default: new key")


def test_an_unknown_account_cannot_be_resumed(run: Run, store: Database) -> None:
    track(store, 1)
    with store.write() as connection:
        connection.execute(update(Account).values(price=3.5))
    assert (
        run("accounts", "--resume", "studio").err
        == "Error: there is no account 'studio'; renderwatch accounts lists them\n"
    )
    assert "3.50" in run("accounts").out
