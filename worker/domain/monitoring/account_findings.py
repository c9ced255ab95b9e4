"""What can be wrong with accounts."""

from collections.abc import Iterator, Sequence
from typing import Final

from worker.domain.intake.identifiers import key_variable
from worker.domain.monitoring.facts import FAILING_NEEDED, WEBHOOKS_MISSED, AccountFacts
from worker.domain.monitoring.finding import Finding, Severity, counted_waiting
from worker.domain.monitoring.pause_reasons import resume_remedy, why_paused
from worker.domain.projects.observation import FailureKind
from worker.formatting import counted

_MOST_NAMES: Final = 5


def find_account_problems(accounts: Sequence[AccountFacts]) -> Iterator[Finding]:
    """Yield what is wrong with accounts."""
    without = [account for account in accounts if not account.has_key and account.due]
    # Senders can invent names: where others have keys, they are one finding, which is not critical.
    unknown = [account for account in without if not account.was_answered]
    is_alone = not any(account.has_key for account in accounts)
    if unknown:
        yield _unknown_accounts(unknown, "critical" if is_alone else "warning")
    for account in accounts:
        if account.has_key:
            yield from _problems(account)
        elif account.due and account.was_answered:
            yield _lost_key(account)


def _unknown_accounts(accounts: Sequence[AccountFacts], severity: Severity) -> Finding:
    if len(accounts) == 1:
        (account,) = accounts
        summary = f"account {account.name} has open projects, and no worker has an API key for it"
        fix = f"{_set_key(account.name)}; if a sender made up the name, renderwatch list --account {account.name}"
        return _without_key(account, severity, summary, fix)
    since = min((account.due_since for account in accounts if account.due_since), default=None)
    due = sum(account.due for account in accounts)
    names = ", ".join(account.name for account in accounts[:_MOST_NAMES])
    more = f" and {len(accounts) - _MOST_NAMES} more" if len(accounts) > _MOST_NAMES else ""
    return Finding(
        "account_without_key",
        severity,
        f"{len(accounts)} accounts have open projects, and no worker has an API key for them: {names}{more}",
        counted_waiting(due, "due check of these accounts", "due checks of these accounts"),
        "set their keys in MAGIC_HOUR_API_KEYS and restart the workers; if a sender made up the names, correct it:"
        " renderwatch accounts lists them",
        since,
    )


def _lost_key(account: AccountFacts) -> Finding:
    summary = f"account {account.name} has open projects, and no worker has its API key any more"
    return _without_key(account, "critical", summary, _set_key(account.name))


def _without_key(account: AccountFacts, severity: Severity, summary: str, fix: str) -> Finding:
    cost = _cost(account)
    return Finding("account_without_key", severity, summary, cost, fix, account.due_since, account.name, account.due)


def _set_key(account: str) -> str:
    return f"set its key in {key_variable(account)} and restart the workers; then renderwatch doctor --only api"


def _cost(account: AccountFacts) -> str:
    if not account.due:
        return "its next checks will wait"
    return counted_waiting(account.due, "due check of this account", "due checks of this account")


def _problems(account: AccountFacts) -> Iterator[Finding]:
    if account.is_paused:
        said = f" ({account.pause_detail})" if account.pause_detail else ""
        until = f" until {account.paused_until:%H:%M:%S} UTC" if account.paused_until else ""
        severity: Severity = "warning" if account.pause_reason == FailureKind.RATE_LIMITED else "critical"
        yield Finding(
            "account_paused",
            severity,
            f"account {account.name} is paused{until}: {why_paused(account.pause_reason)}{said}",
            _cost(account),
            resume_remedy(account.pause_reason, account.name),
            account.due_since,
            account.name,
            account.due,
        )
    elif account.failing >= FAILING_NEEDED:
        yield Finding(
            "checks_fail",
            "critical",
            f"no check of account {account.name} gets a usable answer: {counted(account.failing, 'project')} failed,"
            " and none succeeded",
            "no change of this account's projects is seen",
            "renderwatch doctor --only api; renderwatch explain ID shows what was answered about a project",
            account.failing_since,
            account.name,
            account.failing,
        )
    if account.missed_webhooks >= WEBHOOKS_MISSED:
        yield Finding(
            "webhooks_stopped",
            "warning",
            f"Magic Hour's webhooks for account {account.name} stopped: {WEBHOOKS_MISSED} or more renders ended since"
            " the last one",
            "polling finds every change, with more requests; nothing is lost",
            "see the webhook's deliveries in Magic Hour's Developer Hub; then renderwatch doctor --only database",
            account.last_webhook,
            account.name,
        )
