"""Recording the results of a batch: one transaction, and only for rows that still have our lease."""

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, bindparam, select, update

from worker.domain.intake.trace_headers import Trace
from worker.domain.metrics import NO_TOTALS, Totals
from worker.domain.projects.apply_failure import apply_failure
from worker.domain.projects.apply_observation import apply_observation
from worker.domain.projects.observation import Answer, CheckFailure, FailureKind, Observation
from worker.domain.projects.outcome import Outcome
from worker.domain.projects.project import Project
from worker.domain.projects.status import Source
from worker.domain.scheduling.rate_limit import on_responses
from worker.domain.scheduling.schedule import Plan
from worker.store.models import TrackedProject
from worker.store.monitoring.job_heartbeats import record_heartbeat_if_older
from worker.store.monitoring.totals import add_totals
from worker.store.projects.batch_totals import batch_totals
from worker.store.projects.ends import detection_delay, detection_delays, has_ended, next_gap, steer_by_ends
from worker.store.projects.mapping import to_project, to_values
from worker.store.projects.unchanged import lock_batch, record_unchanged
from worker.store.projects.write_changes import Change, Routes, store_changes
from worker.store.scheduling.leases import Lease, end_lease
from worker.store.scheduling.rate_limits import (
    lock_rate_limit,
    read_account_state,
    save_answered_at,
    save_rate_limit,
)
from worker.store.types import listed

_PROJECTS: Final[Any] = TrackedProject.__table__
_NOT_SENT: Final = CheckFailure(FailureKind.NOT_SENT, "the lease ended before this request was sent")
# Health checks whether a batch was recorded in the last half minute.
_NOTED_EVERY: Final = 5.0
# Recording when an account was last found costs a write.
_FOUND_EVERY: Final = timedelta(seconds=30)
# Jitter only spreads load; it need not be unpredictable.
_jitter = random.random


@dataclass(frozen=True, slots=True)
class Recorded:
    """The outcome of a batch: numbers of projects checked, changed and lost, and of deliveries to send.

    ``traced`` are the kind, id and trace headers of changed projects that were tracked with a trace.
    """

    checked: int = 0
    changed: int = 0
    ended: int = 0
    lost: int = 0
    deliveries: int = 0
    failures: Mapping[FailureKind, int] = field(default_factory=dict)
    traced: Sequence[tuple[str, str, Trace]] = ()


def record_batch(  # noqa: PLR0913
    connection: Connection,
    lease: Lease,
    answers: Mapping[int, Answer],
    plan: Plan,
    routes: Routes,
    *,
    account_found: bool = False,
    ends: bool = True,
    sent: Totals = NO_TOTALS,
) -> Recorded:
    """Store what the results (by tracked project) change, and end the lease, in the caller's transaction.

    ``account_found``: the account itself was looked up and found. ``ends`` is False for a part of a batch. ``sent`` has
    the caller's counts of requests, for the metrics.
    """
    account, asked_at = lease.account, lease.begun_at
    locked = lock_batch(connection, lease)
    account_state = read_account_state(connection, account)
    now, plan = account_state.now, replace(plan, price=account_state.price)
    answered = account_found or any(isinstance(answer, Observation) for answer in answers.values())
    answered_at = now if answered else account_state.answered_at
    unchanged = record_unchanged(connection, locked, answers, plan, asked_at, now)
    rows = _whole_rows(connection, [row.id for row in locked if row.id not in unchanged])
    changes = [_judge(row, answers.get(row["id"], _NOT_SENT), asked_at, now, plan, answered_at) for row in rows]
    _update(connection, rows, changes, answers, plan, asked_at, now)
    if ends:
        end_lease(connection, lease.token)
    deliveries = store_changes(connection, [change for change in changes if change.outcome.changed], routes)
    by_id = {row.id: answers[row.id] for row in locked if row.id in answers}
    given = list(by_id.values())
    failures = Counter(answer.kind for answer in given if isinstance(answer, CheckFailure))
    if failures or account_state.rate_limit.paused_until is not None or account_state.rate_limit.failure_streak > 0:
        _adjust_rate_limit(connection, account, given, failures, now, account_found=account_found)
    if answered and (account_state.answered_at is None or abs(now - account_state.answered_at) > _FOUND_EVERY):
        save_answered_at(connection, account, now)
    steer_by_ends(connection, account, plan, rows, changes)
    lost = len(answers) - len(given)
    add_totals(connection, sent + batch_totals(by_id, changes, detection_delays(changes, plan), lost))
    record_heartbeat_if_older(connection, "check", _NOTED_EVERY)
    return Recorded(
        checked=len(given),
        changed=sum(change.outcome.changed for change in changes),
        ended=sum(has_ended(change) for change in changes),
        lost=lost,
        deliveries=deliveries,
        failures=failures,
        traced=_traced(rows, changes),
    )


def _traced(rows: Sequence[RowMapping], changes: Sequence[Change]) -> tuple[tuple[str, str, Trace], ...]:
    return tuple(
        (row["kind"], row["project_id"], row["trace"])
        for row, change in zip(rows, changes, strict=True)
        if row["trace"] and change.outcome.changed
    )


def _whole_rows(connection: Connection, ids: Sequence[int]) -> Sequence[RowMapping]:
    """Read all columns of projects that are already locked."""
    if not ids:
        return []
    statement = select(_PROJECTS).where(listed(_PROJECTS.c.id, "ids"))
    return connection.execute(statement.order_by(_PROJECTS.c.id), {"ids": list(ids)}).mappings().all()


def _judge(
    row: RowMapping, answer: Answer, asked_at: datetime, now: datetime, plan: Plan, answered_at: datetime | None
) -> Change:
    before = to_project(row)
    # A database clock that was set back must not reverse history.
    moment = max(now, before.last_observed_at or now)
    if isinstance(answer, Observation):
        outcome = _as_of(asked_at, before, apply_observation(before, answer, moment, plan))
    else:
        outcome = apply_failure(before, answer, moment, plan, _jitter(), answered_at=answered_at)
    hinted = row["hinted_at"] is not None and row["hinted_at"] <= asked_at
    source: Source = "hint" if hinted else "settle" if before.state == "settling" else "poll"
    reported = row["hinted_at"] if hinted and row["hinted_status"] == outcome.project.status else None
    reported_for = None if reported is None else (moment - reported).total_seconds()
    return Change(row["id"], before, outcome, row["notify"], moment, source, reported_for)


def _as_of(asked_at: datetime, before: Project, outcome: Outcome) -> Outcome:
    """Date the observation to before the request was sent, because later changes are not covered by it."""
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
    """Write each row's new values, with one statement for all rows in which the same columns change."""
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
    if hinted_meanwhile and row["hinted_status"] != change.outcome.project.status:
        values["next_check_at"] = now
    else:
        gap = next_gap(change, reported=row["hinted_status"])
        values["next_check_at"] = None if gap is None else now + timedelta(seconds=gap)
        values["check_gap"] = gap
        values["hinted_at"] = values["hinted_status"] = None
    values["check_count"] = row["check_count"] + 1
    if values.get("finished_at"):
        values["checks_until_finished"] = values["check_count"]
        delay = detection_delay(change, plan)
        if delay is not None:
            values["detection_delay"] = delay
    return values


def _adjust_rate_limit(
    connection: Connection,
    account: str,
    answers: Sequence[Answer],
    failures: Counter[FailureKind],
    now: datetime,
    *,
    account_found: bool,
) -> None:
    """Adjust the account's rate limit if a check failed or the account is paused."""
    pauses = [answer.retry_after for answer in answers if isinstance(answer, CheckFailure) and answer.retry_after]
    observations = len(answers) - failures.total()
    successes = observations + failures[FailureKind.NOT_FOUND] + (account_found and not observations)
    details = {each.kind: each.sentence for each in answers if isinstance(each, CheckFailure)}
    rate_limit = lock_rate_limit(connection, account)
    pause = max(pauses, default=None)
    adjusted = on_responses(rate_limit, failures, successes, now, pause, details, account_found=account_found)
    if adjusted != rate_limit:
        save_rate_limit(connection, account, adjusted)
