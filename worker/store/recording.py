"""Recording the answers of a batch: one transaction, and only for rows whose lease is still ours."""

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, bindparam, select, update

from worker.domain.allowance import learn
from worker.domain.observation import Answer, Observation, Problem, Trouble
from worker.domain.observe import observe
from worker.domain.outcome import Outcome
from worker.domain.project import Project
from worker.domain.schedule import Plan, likely_delay
from worker.domain.status import Source
from worker.domain.trouble import endure
from worker.store.accounts import lock_allowance, read_standing, save_allowance, steer_price
from worker.store.leases import Lease, end_lease
from worker.store.models import TrackedProject
from worker.store.news import Change, Routes, store_changes
from worker.store.rows import to_project, to_values
from worker.store.types import listed
from worker.store.unchanged import lock_batch, record_unchanged

_PROJECTS: Final[Any] = TrackedProject.__table__
_NOT_SENT: Final = Trouble(Problem.NOT_SENT, "the lease ended before this request was sent")
# Jitter only spreads load; nobody gains from guessing it.
_jitter = random.random


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a batch came to: projects answered for, changed and no longer ours; deliveries ready to be sent."""

    checked: int = 0
    changed: int = 0
    lost: int = 0
    deliveries: int = 0
    problems: Mapping[Problem, int] = field(default_factory=dict)


def record_batch(
    connection: Connection, lease: Lease, answers: Mapping[int, Answer], plan: Plan, routes: Routes
) -> Recorded:
    """Store what the answers (by tracked project) change, and end the lease. The caller's transaction holds it all."""
    account, asked_at = lease.account, lease.begun_at
    locked = lock_batch(connection, lease)
    standing = read_standing(connection, account, plan.target)
    now, plan = standing.now, replace(plan, price=standing.price)
    unchanged = record_unchanged(connection, locked, answers, plan, asked_at, now)
    rows = _whole_rows(connection, [row.id for row in locked if row.id not in unchanged])
    changes = [_judge(row, answers.get(row["id"], _NOT_SENT), asked_at, now, plan) for row in rows]
    _update(connection, rows, changes, answers, plan, asked_at, now)
    end_lease(connection, lease.token)
    deliveries = store_changes(connection, [change for change in changes if change.outcome.changed], routes)
    given = [answers[row.id] for row in locked if row.id in answers]
    problems = Counter(answer.problem for answer in given if isinstance(answer, Trouble))
    if problems or standing.allowance.paused_until is not None or standing.allowance.failure_streak > 0:
        _learn(connection, account, given, problems, now)
    _steer(connection, account, plan, rows, changes)
    return Recorded(
        checked=len(given),
        changed=sum(change.outcome.changed for change in changes),
        lost=len(answers) - len(given),
        deliveries=deliveries,
        problems=problems,
    )


def _whole_rows(connection: Connection, ids: Sequence[int]) -> Sequence[RowMapping]:
    """Read everything of projects that are locked already."""
    if not ids:
        return []
    statement = select(_PROJECTS).where(listed(_PROJECTS.c.id, "ids"))
    return connection.execute(statement.order_by(_PROJECTS.c.id), {"ids": list(ids)}).mappings().all()


def _judge(row: RowMapping, answer: Answer, asked_at: datetime, now: datetime, plan: Plan) -> Change:
    before = to_project(row)
    # A database whose clock was set back must not turn history around.
    moment = max(now, before.last_observed_at or now)
    if isinstance(answer, Observation):
        outcome = _as_of(asked_at, before, observe(before, answer, moment, plan))
    else:
        outcome = endure(before, answer, moment, plan, _jitter())
    hinted = row["hinted_at"] is not None and row["hinted_at"] <= asked_at
    source: Source = "hint" if hinted else "settle" if before.state == "settling" else "poll"
    return Change(row["id"], before, outcome, row["notify"], moment, source)


def _as_of(asked_at: datetime, before: Project, outcome: Outcome) -> Outcome:
    """Date what was seen to before the request was sent: a later change cannot have happened earlier than that."""
    seen_at = max(asked_at, before.last_observed_at or asked_at)
    return replace(outcome, project=replace(outcome.project, last_observed_at=seen_at))


def _update(
    connection: Connection,
    rows: Sequence[RowMapping],
    changes: Sequence[Change],
    answers: Mapping[int, Answer],
    plan: Plan,
    asked_at: datetime,
    now: datetime,
) -> None:
    """Write each row's new values: rows in which the same columns change go together in one statement."""
    groups: defaultdict[frozenset[str], list[dict[str, Any]]] = defaultdict(list)
    for row, change in zip(rows, changes, strict=True):
        answered = row["id"] in answers
        values = _new_values(row, change, plan, asked_at, now) if answered else {"next_check_at": now}
        groups[frozenset(values)].append({f"_{name}": value for name, value in values.items()} | {"_row": row["id"]})
    for names, parameters in groups.items():
        statement = (
            update(_PROJECTS)
            .where(_PROJECTS.c.id == bindparam("_row"))
            .values({name: bindparam(f"_{name}", type_=_PROJECTS.c[name].type) for name in sorted(names)})
            .values(lease_token=None, leased_until=None, claimed_at=None)
        )
        connection.execute(statement, parameters)


def _new_values(row: RowMapping, change: Change, plan: Plan, asked_at: datetime, now: datetime) -> dict[str, Any]:
    old, new = to_values(change.before), to_values(change.outcome.project)
    values = {name: value for name, value in new.items() if value != old[name]}
    hinted_meanwhile = row["hinted_at"] is not None and row["hinted_at"] > asked_at
    if hinted_meanwhile:
        values["next_check_at"] = now
    else:
        gap = change.outcome.next_check_in
        values["next_check_at"] = None if gap is None else now + timedelta(seconds=gap)
        values["check_gap"] = gap
        values["hinted_at"] = None
    values["check_count"] = row["check_count"] + 1
    if values.get("finished_at"):
        values["checks_until_finished"] = values["check_count"]
        if change.before.last_observed_at is not None:
            gap = (change.at - change.before.last_observed_at).total_seconds()
            values["detection_delay"] = likely_delay(plan, change.before, gap)
    return values


def _steer(
    connection: Connection, account: str, plan: Plan, rows: Sequence[RowMapping], changes: Sequence[Change]
) -> None:
    """Let the price follow from the ends that were found by planned checks."""
    delays = [
        likely_delay(plan, change.before, row["check_gap"])
        for row, change in zip(rows, changes, strict=True)
        if change.source == "poll"
        and change.before.finished_at is None
        and change.outcome.project.finished_at is not None
        and change.before.failure_count == 0
        and row["check_gap"] is not None
    ]
    if delays:
        steer_price(connection, account, plan.target, delays)


def _learn(
    connection: Connection, account: str, answers: Sequence[Answer], problems: Counter[Problem], now: datetime
) -> None:
    """Let the account's allowance follow from the answers, where one of them or the account is in trouble."""
    pauses = [answer.retry_after for answer in answers if isinstance(answer, Trouble) and answer.retry_after]
    successes = len(answers) - problems.total()
    allowance = lock_allowance(connection, account)
    learned = learn(allowance, problems, successes + problems[Problem.NOT_FOUND], now, max(pauses, default=None))
    if learned != allowance:
        save_allowance(connection, account, learned)
