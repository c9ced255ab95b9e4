"""What can be wrong: since when, what it costs, and the command that fixes it."""

import shlex
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from worker.domain.deliveries.shown_destination import shown_destination
from worker.domain.monitoring.account_findings import find_account_problems
from worker.domain.monitoring.broker_remedy import broker_remedy
from worker.domain.monitoring.facts import (
    ENDS_NEEDED,
    MOST_COUNTED,
    NO_CHECK_AFTER,
    OVERDUE_AFTER,
    UNDELIVERED_AFTER,
    Facts,
    FailingDestination,
    is_alive,
    late_after,
)
from worker.domain.monitoring.finding import START_BEAT, START_WORKER, Finding, counted_waiting
from worker.formatting import counted, duration


def find_problems(facts: Facts) -> Iterator[Finding]:
    """Yield everything that is wrong."""
    if facts.is_read_only:
        # No heartbeat can be stored: that none comes, and that work waits, says nothing about beat or the workers.
        yield _read_only()
    else:
        yield from _dispatch(facts)
        yield from _intake(facts)
        yield from _backlog(facts)
    yield from find_account_problems(facts.accounts)
    yield from _delay(facts)
    yield from _deliveries(facts)
    yield from _projects(facts)


def _read_only() -> Finding:
    return Finding(
        "database_read_only",
        "critical",
        "the database accepts no writes: it is a standby, or default_transaction_read_only is on",
        "nothing is tracked, checked or delivered until it accepts writes again",
        "let DATABASE_URL name the primary, or ALTER DATABASE … RESET default_transaction_read_only;"
        " then renderwatch doctor --only database",
    )


def _dispatch(facts: Facts) -> Iterator[Finding]:
    if is_alive(facts.last_dispatch, facts.now):
        return
    is_open = facts.active + facts.settling
    cost = f"no project is checked; {counted_waiting(is_open, 'open project')}"
    if facts.last_dispatch is None:
        summary = "nothing has ever been dispatched in this database"
    else:
        summary = f"the last dispatch was {duration((facts.now - facts.last_dispatch).total_seconds())} ago"
    if is_alive(facts.last_beat, facts.now):
        cause, fix = _why_not_run(facts)
        summary += f": {cause}"
        yield Finding("dispatch_not_run", "critical", summary, cost, fix, facts.last_dispatch, count=is_open)
    else:
        summary += ": no beat runs"
        yield Finding("beat_down", "critical", summary, cost, START_BEAT, facts.last_dispatch, count=is_open)


def _why_not_run(facts: Facts) -> tuple[str, str]:
    """Return why nothing is dispatched though beat runs, and how to fix it."""
    if facts.beat_problem:
        return f"beat cannot send to the broker: {facts.beat_problem}", broker_remedy(facts.beat_problem)
    if is_alive(facts.last_intake, facts.now):
        cause = "no worker runs beat's tasks: nothing reads the queue renderwatch.upkeep, or all workers hang"
        return cause, f"renderwatch doctor --only broker; {START_WORKER} -Q renderwatch.upkeep"
    return "beat runs, but no worker runs what it sends", f"{START_WORKER}; renderwatch doctor --only broker"


def _intake(facts: Facts) -> Iterator[Finding]:
    """Yield a finding if nothing reads the intake queue, unless another finding says that no worker runs."""
    if is_alive(facts.last_intake, facts.now):
        return
    runs = is_alive(facts.last_dispatch, facts.now)
    no_worker = not runs and (facts.last_intake is None or is_alive(facts.last_beat, facts.now))
    if no_worker and not facts.intake_problem:
        return
    if facts.intake_problem:
        summary = f"the queue renderwatch.intake cannot be read: {facts.intake_problem}"
        fix = broker_remedy(facts.intake_problem)
    else:
        summary = "no worker reads the queue renderwatch.intake"
        fix = f"{START_WORKER}, or one with -Q renderwatch.intake; renderwatch doctor --only broker"
    cost = "tracking requests that came by message wait in it; none is lost"
    yield Finding("intake_not_read", "critical", summary, cost, fix, facts.last_intake)


def _backlog(facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong with the checks of active accounts; paused ones have findings of their own."""
    asked = [account for account in facts.accounts if account.is_asked]
    due_since = min((each.due_since for each in asked if each.due_since), default=None)
    if due_since is None or not is_alive(facts.last_dispatch, facts.now):
        return
    due = sum(each.due for each in asked)
    waited = (facts.now - due_since).total_seconds()
    checked = facts.last_check is not None and (facts.now - facts.last_check).total_seconds() <= NO_CHECK_AFTER
    cost = f"{counted_waiting(due, 'check')}, the oldest for {duration(waited)}: ends are detected that much later"
    if waited > NO_CHECK_AFTER and not checked and (facts.unstarted_leases or facts.started_leases):
        yield replace(_no_checks(facts, due_since, cost), count=due)
        return
    overdue = sum(each.overdue for each in asked)
    unclaimed = min((each.unclaimed_since for each in asked if each.unclaimed_since), default=None)
    more = f"{START_WORKER}; or raise RENDERWATCH_RATE and RENDERWATCH_BURST"
    if overdue:
        summary = f"{counted(overdue, 'project')} overdue: due for more than {duration(OVERDUE_AFTER)}"
        yield Finding("overdue", "critical", summary, cost, more, due_since, count=overdue)
    elif unclaimed and (late := (facts.now - unclaimed).total_seconds()) > late_after(facts.target_delay):
        summary = f"checks are late: the oldest has been due for {duration(late)} and is not claimed"
        yield Finding("late", "warning", summary, cost, more, unclaimed, count=due)


def _no_checks(facts: Facts, since: datetime, cost: str) -> Finding:
    if facts.started_leases:
        summary = "workers start checks but complete none: the API or the database responds too slowly"
        return Finding("checks_hang", "critical", summary, cost, "renderwatch doctor --only api", since)
    summary = (
        "checks are dispatched but no Renderwatch worker starts them: the queue renderwatch.checks has no consumer, or"
        " another application's worker takes its messages"
    )
    fix = f"renderwatch doctor --only broker says which; {START_WORKER} -Q renderwatch.checks"
    return Finding("checks_not_consumed", "critical", summary, cost, fix, since)


def _delay(facts: Facts) -> Iterator[Finding]:
    if facts.mean_delay is None or facts.ends < ENDS_NEEDED or facts.mean_delay <= 2 * facts.target_delay:
        return
    summary = (
        f"ends of the last hour were detected {facts.mean_delay:.1f} s late on average;"
        f" the target is {facts.target_delay:g} s"
    )
    fix = (
        "none if something was down or paused within the last hour; otherwise renderwatch delays, then add workers or"
        " raise RENDERWATCH_RATE"
    )
    yield Finding("delay_above_target", "warning", summary, "downstream services learn of finished renders later", fix)


def _deliveries(facts: Facts) -> Iterator[Finding]:
    late = facts.undelivered_since
    if late is not None and (waited := (facts.now - late).total_seconds()) > UNDELIVERED_AFTER:
        summary = f"deliveries are not sent: the oldest should have been tried {duration(waited)} ago"
        fix = f"{START_WORKER} -Q renderwatch.deliveries; renderwatch doctor --only broker"
        cost = f"{counted_waiting(facts.pending_deliveries, 'delivery', 'deliveries')}; none is lost"
        yield Finding("deliveries_not_sent", "critical", summary, cost, fix, late, count=facts.pending_deliveries)
    if failing := facts.failing_destinations:
        yield _destination_failing(failing[0], facts, len(failing) - 1)
    if facts.dead_deliveries:
        count = counted(facts.dead_deliveries, "delivery", "deliveries")
        summary = f"{count} dead: they were given up"
        cost = "their destinations did not receive these events"
        found = Finding("dead_deliveries", "warning", summary, cost, "renderwatch replay --dead", facts.dead_since)
        yield replace(found, count=facts.dead_deliveries)


def _destination_failing(first: FailingDestination, facts: Facts, more: int) -> Finding:
    lasted, name = duration((facts.now - first.since).total_seconds()), shown_destination(first.name)
    others = f"; {counted(more, 'other destination')} too" if more else ""
    return Finding(
        "destination_failing",
        "warning",
        f"destination {name} has been failing for {lasted} ({first.error or 'no error was recorded'}){others}",
        f"{counted_waiting(first.waiting, 'delivery', 'deliveries')} for it,"
        f" and {'is' if first.waiting == 1 else 'are'} tried again automatically until given up",
        f"repair the destination; renderwatch deliveries list --destination {shlex.quote(name)}",
        first.since,
        count=first.waiting,
    )


def _projects(facts: Facts) -> Iterator[Finding]:
    if facts.violations:
        summary = f"{counted(facts.violations, 'violation')} of invariants found in the stored data"
        fix = "renderwatch doctor --deep names them; please report it"
        cost = "ledgers, histories or schedules of some projects cannot be trusted"
        yield Finding("invariants_violated", "critical", summary, cost, fix, facts.violated_since)
    if facts.stalled:
        summary = (
            f"{counted(facts.stalled, 'project')} stalled: running unusually long, or with checks that keep failing"
        )
        fix = "renderwatch list --stalled; renderwatch explain ID says why"
        cost = "they are checked rarely, so their ends are detected late"
        yield Finding("stalled_projects", "warning", summary, cost, fix, facts.stalled_since, count=facts.stalled)
    if facts.locked_track_requests:
        summary = f"{counted(facts.locked_track_requests, 'tracking request')} sent in SQL cannot be stored"
        fix = "end the transaction that has locked their projects (pg_stat_activity shows it), then renderwatch doctor"
        cost = f"{counted_waiting(facts.locked_track_requests, 'request')}; each is tried again every minute"
        yield Finding("track_requests_locked", "warning", summary, cost, fix)
    if facts.rejected_requests:
        more = " or more" if facts.rejected_requests >= MOST_COUNTED else ""
        noun = "request" if facts.rejected_requests == 1 else "requests"
        summary = f"{facts.rejected_requests:,}{more} {noun} rejected within a day"
        fix = "renderwatch rejected list shows the reasons; correct the sender, then renderwatch rejected retry"
        cost, count = "what they asked for was not done", facts.rejected_requests
        yield Finding("rejected_requests", "warning", summary, cost, fix, facts.rejected_since, count=count)
