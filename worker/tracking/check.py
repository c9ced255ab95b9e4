"""Check: request every project of a batch from the API concurrently, and record the results together."""

import logging
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from worker.domain.log_events import event
from worker.domain.metrics import LATENCY_BUCKETS, Totals, labels, observe
from worker.domain.projects.observation import Answer, CheckFailure, FailureKind
from worker.domain.scheduling.durations import Durations
from worker.domain.scheduling.schedule import Plan
from worker.magic_hour.client import MagicHourClient
from worker.settings import Settings
from worker.store.engine import Database
from worker.store.projects.recording import Recorded
from worker.store.scheduling.leases import Lease, begin_batch
from worker.store.scheduling.rate_limits import take_request
from worker.traces import add_span
from worker.tracking.clients import Clients
from worker.tracking.diagnose_refusals import REFUSALS, diagnose_outage, diagnose_refusals
from worker.tracking.record import record
from worker.tracking.request_allowance import wait_for_request

_log = logging.getLogger(__name__)
# Seconds to wait for a free request to look up the account.
_PATIENCE: Final = 5.0
_MOST_NAMES: Final = 10
_MOST_REASONS: Final = 50
# How long projects wait when a worker took them that has no key for their account. Another one may have it.
_WITHOUT_KEY: Final = 30.0
_NO_KEY: Final = "account {!r} has no API key in the worker that took the check"
_NO_REQUEST: Final = CheckFailure(FailureKind.NOT_SENT, "the rate limit left no request for looking up the account")


@dataclass(frozen=True, slots=True)
class Answers:
    """The results of a batch by tracked project, and whether the account itself was looked up and found."""

    each: Mapping[int, Answer]
    found: bool = False


def check(
    database: Database, settings: Settings, clients: Clients, durations: Durations, token: str
) -> Recorded | None:
    """Check one batch. Returns None, without requests, if its lease is over or another worker has it."""
    lease = database.transact(lambda connection: begin_batch(connection, token))
    if lease is None:
        return None
    sent: Totals = Counter()
    asked = time.time_ns()
    answers = _ask(database, clients, lease, settings, sent)
    _log_failures(token, lease, answers.each)
    plan: Plan = replace(settings.plan, durations=durations)
    answered = time.time_ns()
    recorded = record(database, lease, answers.each, plan, settings.routes, found=answers.found, sent=sent)
    for kind, project_id, trace in recorded.traced:
        project = {"renderwatch.kind": kind, "renderwatch.project_id": project_id}
        add_span("renderwatch.check", trace, project, asked, answered)
        add_span("renderwatch.record", trace, project, answered, time.time_ns())
    return recorded


def _ask(database: Database, clients: Clients, lease: Lease, settings: Settings, sent: Totals) -> Answers:
    """Return the results, and count the requests for projects that were sent."""
    client = clients.of(lease.account)
    if client is None:
        # Dispatched by a process that has the key. Due again at once, it would be redelivered in a tight loop.
        missing = CheckFailure(FailureKind.NOT_SENT, _NO_KEY.format(lease.account), retry_after=_WITHOUT_KEY)
        return Answers({claim.id: missing for claim in lease.claims})
    # No request starts that could outlive the lease; what was not asked comes due again at once.
    latest_start = time.monotonic() + lease.seconds_left - settings.request_timeout

    def take(connection: Any) -> bool:  # noqa: ANN401  a connection of the store's
        return take_request(connection, lease.account, settings.limits)

    @cache
    def ask_account() -> CheckFailure | None:
        patience = min(_PATIENCE, latest_start - time.monotonic())
        if not wait_for_request(database, take, patience):
            return _NO_REQUEST
        return client.account_problem()

    if lease.pause_reason in REFUSALS:
        problem = client.account_problem()
        if problem is None:  # its projects are due again at once
            return Answers({}, found=True)
        if problem.kind is not FailureKind.NOT_FOUND:
            return Answers({claim.id: problem for claim in lease.claims})
        # This API has no account endpoint. That lookup used one of the claimed requests; wait for another.
        if not wait_for_request(database, take, latest_start - time.monotonic()):
            return Answers({})
    answers = _ask_each(client, lease, latest_start, sent)
    meant, refused_alone = diagnose_refusals(answers, ask_account, lease.answered_ago)
    meant, unavailable_alone = diagnose_outage(meant, ask_account, lease.failure_streak)
    return Answers(meant, found=refused_alone or unavailable_alone)


def _ask_each(client: MagicHourClient, lease: Lease, latest_start: float, sent: Totals) -> dict[int, Answer]:
    answered = client.get_projects([(claim.kind, claim.project_id) for claim in lease.claims], latest_start)
    sent["requests", labels(lease.account)] = len(answered)
    for _, seconds in answered.values():
        observe(sent, "api_request_duration_seconds", LATENCY_BUCKETS, seconds)
    return {lease.claims[position].id: answer for position, (answer, _) in sorted(answered.items())}


def _log_failures(token: str, lease: Lease, answers: Mapping[int, Answer]) -> None:
    """Say why checks failed: a line for each reason, with the projects' ids."""
    projects: dict[CheckFailure, list[str]] = {}
    for claim in lease.claims:
        answer = answers.get(claim.id)
        if isinstance(answer, CheckFailure):
            projects.setdefault(answer, []).append(f"{claim.kind} {claim.project_id}")
    for failure, names in list(projects.items())[:_MOST_REASONS]:
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        said = f'; the API says "{failure.message}"' if failure.message else ""
        which = ", ".join(names[:_MOST_NAMES]) + more
        _log.warning(
            "check failed account=%s %s: %s: %s%s",
            lease.account,
            which,
            failure.kind,
            failure.detail,
            said,
            extra=event(
                "check_failed",
                account=lease.account,
                batch=token,
                failure=failure.kind,
                projects=names[:_MOST_NAMES],
                count=len(names),
            ),
        )
    if len(projects) > _MOST_REASONS:
        omitted = len(projects) - _MOST_REASONS
        _log.warning(
            "and %d more reasons, kept with their projects",
            omitted,
            extra=event("check_failures_omitted", account=lease.account, batch=token, count=omitted),
        )
