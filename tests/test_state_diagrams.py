"""The state diagrams of docs/architecture.md show exactly what the code does."""

import random
import re
from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.domain.projects.strategies import ID, PLAN, START, project, seen
from tests.store.deliveries.claiming import DAY, claim, mark_failed
from tests.store.world import answer, name, of, pass_time, stored, track
from tests.store.world import seen as answered
from worker.domain.deliveries.confirmation import Confirmation, Outcome
from worker.domain.deliveries.terms import Terms
from worker.domain.projects.apply_failure import apply_failure
from worker.domain.projects.apply_observation import apply_observation
from worker.domain.projects.observation import CheckFailure, FailureKind
from worker.domain.scheduling.rate_limit import Limits, RateLimit, available, consume, on_responses, refill
from worker.store.deliveries.confirmations import store_confirmations
from worker.store.deliveries.outcomes import mark_sent
from worker.store.deliveries.queries import replay
from worker.store.engine import Database
from worker.store.models import Delivery, TrackedProject
from worker.store.projects.operator_actions import untrack

PAGE = (Path(__file__).parent.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
Edges = set[tuple[str, str]]
OUTCOMES: dict[str, Outcome] = {"succeeded": "succeeded", "failed": "failed"}
LIMITS = Limits(rate=10, burst=50)


def drawn(diagram: str) -> Edges:
    text = PAGE.split(f"<!-- state diagram: {diagram} -->")[1].split("```")[1]
    return {(left, right) for left, right in re.findall(r"^ *(\w+) --> (\w+)", text, re.MULTILINE)}


def moves(states: Iterable[str]) -> Edges:
    return {pair for pair in pairwise(states) if pair[0] != pair[1]}


def life(dice: random.Random) -> list[str]:
    """The tracking states of one project under random answers."""
    now, current, states = START, project(), ["active"]
    for _ in range(30):
        now += timedelta(seconds=dice.choice([1, 600, 7200, 8 * 86_400]))
        if dice.random() < 0.6:
            status = dice.choice(["queued", "rendering", "complete", "error", "canceled"])
            enabled = dice.random() < 0.9
            observed = seen(status, dice.choice([0, 450]), project_id=ID, enabled=enabled)
            current = apply_observation(current, observed, now, PLAN).project
        else:
            failure = CheckFailure(dice.choice(list(FailureKind)), "no answer")
            current = apply_failure(current, failure, now, PLAN, 0.5).project
        states.append(current.state)
    return states


def test_tracking_states() -> None:
    dice = random.Random(7)  # noqa: S311  trials
    found = set().union(*(moves(life(dice)) for _ in range(400)))
    assert found == drawn("tracking")


def test_untracking_and_tracking_again_stay_within_the_drawing(database: Database) -> None:
    states = []
    for number, act in enumerate(("track", "untrack", "track")):
        if act == "track":
            track(database, 1)
        else:
            with database.write() as connection:
                untrack(connection, "video", [name(1)], "somebody", None)
        states += of(stored(database, TrackedProject), "state")
        assert len(states) == number + 1
    assert moves(states) == {("active", "closed"), ("closed", "active")} <= drawn("tracking")


def test_delivery_states(database: Database) -> None:
    track(database, 1)
    answer(database, answered("complete"))
    number = min(of(stored(database, Delivery), "id"))
    found = [moves(states_of_delivery(database, number, terms, acts.split())) for terms, acts in DELIVERED]
    assert set().union(*found) == drawn("delivery")


# Whatever can happen to a delivery in each state, each time; "day" lets the time pass after which it is given up.
DELIVERED = (
    (Terms(), "fail wait send wait replay fail day fail wait replay"),
    (Terms(acknowledges=True), "fail wait send wait replay"),
    (
        Terms(confirm=60),
        """
        send succeeded failed wait replay claim succeeded replay claim failed failed wait claim replay send failed
        succeeded replay send wait claim succeeded replay send failed replay send replay send day claim wait replay
        send day claim succeeded replay
        """,
    ),
)


def states_of_delivery(database: Database, number: int, terms: Terms, acts: list[str]) -> list[str]:
    token = ""

    def row() -> dict[str, Any]:
        return next(each for each in stored(database, Delivery) if each["id"] == number)

    states = [row()["state"]]
    for act in acts:
        claimed = []
        if act in {"send", "fail", "claim"}:
            claimed = [each for each in claim(database, terms=terms) if each.id == number]
            token = next((each.confirm_token or "" for each in claimed), token)
            states.append(row()["state"])
        with database.write() as connection:
            if act == "send":
                mark_sent(connection, claimed, terms, lambda: 1.0)
            elif act == "fail":
                mark_failed(connection, claimed)
            elif act == "replay":
                replay(connection, [number], "somebody", None)
            elif outcome := OUTCOMES.get(act):
                word = Confirmation(number, row()["attempts"], token, outcome)
                store_confirmations(connection, [word], give_up_after=DAY, jitter=lambda: 1.0)
        pass_time(database, {"wait": 100, "day": DAY}.get(act, 0))
        states.append(row()["state"])
    return states


def pauses(dice: random.Random) -> list[str]:
    """Why an account is paused, under random answers."""
    now, limit, reasons = START, RateLimit(tokens=25.0, refilled_at=START), ["open"]
    for _ in range(40):
        now += timedelta(seconds=dice.choice([1, 30, 61, 400, 4000]))
        limit = refill(limit, LIMITS, now)
        allowed = available(limit, LIMITS, 0, now)
        limit = consume(limit, min(allowed, dice.choice([1, 20])), now)
        reasons.append(limit.pause_reason or "open")
        if allowed:
            failed = dice.random() < 0.7
            failures = {dice.choice(list(FailureKind)): dice.choice([1, 12])} if failed else {}
            limit = on_responses(limit, failures, dice.choice([0, 0, 5, 30]), now, dice.choice([None, 5, 100]))
            reasons.append(limit.pause_reason or "open")
    return reasons


def test_account_states() -> None:
    dice = random.Random(7)  # noqa: S311  trials
    lives = [pauses(dice) for _ in range(600)]
    listed = PAGE.split("`probing` stands for")[1].split("## ")[0]
    probed = set(re.findall(r"^\| `(\w+)`", listed, re.MULTILINE))
    assert set().union(*lives) == {"open", "rate_limited"} | probed
    grouped = [["probing" if reason in probed else reason for reason in reasons] for reasons in lives]
    between_probes = {edge for reasons in lives for edge in moves(reasons) if set(edge) <= probed}
    within = {("probing", "probing")} if between_probes else set()
    assert set().union(*map(moves, grouped)) | within == drawn("account")
