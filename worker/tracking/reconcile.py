"""Reconcile: compare the ledger with what Magic Hour reports, and report differences. It corrects nothing."""

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Final, Literal

from worker.domain.projects.observation import CheckFailure, FailureKind, Observation
from worker.settings import Settings
from worker.store.engine import Database, clock
from worker.store.ledger.balances import Settled, sample_settled, sampled_since, save_balance
from worker.store.scheduling.rate_limits import take_request_unless_paused
from worker.tracking.clients import Clients
from worker.tracking.fault_isolation import attempt
from worker.tracking.request_allowance import wait_for_request

# Seconds to wait for a request that the workers do not need.
_PATIENCE: Final = 10.0
_DELETED: Final = "it was deleted at Magic Hour"
Verdict = Literal["agrees", "differs", "gone", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A settled project that was checked again: what the ledger contains, and what Magic Hour reports now.

    ``verdict`` is ``agrees``, ``differs``, ``gone`` (deleted, or not found while its account is) or ``unknown`` (no
    answer, or one that proves nothing).
    """

    account: str
    kind: str
    project_id: str
    verdict: Verdict
    stored_status: str | None
    stored_credits: int | None
    status: str | None = None
    credits_charged: int | None = None
    detail: str = ""


def sample_balances(
    database: Database, settings: Settings, clients: Clients, *, patience: float = _PATIENCE, at_most_every: float = 0.0
) -> list[str]:
    """Record each account's balance. Returns a sentence for each account whose balance could not be read.

    An account whose balance was read less than ``at_most_every`` seconds ago is skipped.
    """
    with database.read() as connection:
        lately = sampled_since(connection, clock(connection) - timedelta(seconds=at_most_every))
    troubles = []
    for account in settings.accounts.keys() - lately:
        client = clients.of(account)
        if client is None or not _allowed(database, settings, account, patience):
            troubles.append(f"account {account} is paused, or has no requests left; its balance was not looked up")
            continue
        balance = client.get_balance()
        if isinstance(balance, CheckFailure):
            troubles.append(f"account {account}: {balance.sentence}; its balance is not known")
            continue
        if attempt(f"storing the balance of {account}", partial(_save, database, account, balance)) is None:
            troubles.append(f"account {account}: its balance could not be stored; the log says why")
    return troubles


def _save(database: Database, account: str, balance: int) -> bool:
    with database.write() as connection:
        save_balance(connection, account, balance)
    return True


def check_sample(database: Database, settings: Settings, clients: Clients, most: int) -> list[Finding]:
    """Check a sample of settled projects again, up to ``most``, and report differences."""
    with database.read() as connection:
        chosen = sample_settled(connection, list(settings.accounts), most)
    findings = [_check(database, settings, clients, project) for project in chosen]
    missed = {each.account for each in findings if each.verdict == "gone" and each.detail != _DELETED}
    answered = {each.account for each in findings if each.verdict in {"agrees", "differs"}}
    unproven = {account for account in missed - answered if not _is_found(database, settings, clients, account)}
    return [_doubted(each) if each.account in unproven else each for each in findings]


def _is_found(database: Database, settings: Settings, clients: Clients, account: str) -> bool:
    """Whether the API finds the account itself. If it does not, a missing project proves nothing."""
    client = clients.of(account)
    return client is not None and _allowed(database, settings, account, _PATIENCE) and client.account_problem() is None


def _doubted(finding: Finding) -> Finding:
    if finding.verdict != "gone" or finding.detail == _DELETED:
        return finding
    detail = f"{finding.detail}; the account was not found either: check MAGIC_HOUR_BASE_URL"
    return replace(finding, verdict="unknown", detail=detail)


def _check(database: Database, settings: Settings, clients: Clients, project: Settled) -> Finding:
    stored = (project.account, project.kind, project.project_id)
    known = (project.status, project.credits_charged)
    client = clients.of(project.account)
    if client is None or not _allowed(database, settings, project.account, _PATIENCE):
        return Finding(*stored, "unknown", *known, detail="the account is paused, or has no requests left")
    answer = client.get_project(project.kind, project.project_id)
    if isinstance(answer, Observation):
        if not answer.enabled:
            return Finding(*stored, "gone", *known, detail=_DELETED)
        same = (answer.status, answer.credits_charged) == known
        return Finding(*stored, "agrees" if same else "differs", *known, answer.status, answer.credits_charged)
    verdict: Verdict = "gone" if answer.kind is FailureKind.NOT_FOUND else "unknown"
    return Finding(*stored, verdict, *known, detail=answer.sentence)


def _allowed(database: Database, settings: Settings, account: str, patience: float) -> bool:
    take = partial(take_request_unless_paused, account=account, limits=settings.limits)
    return wait_for_request(database, take, patience)
