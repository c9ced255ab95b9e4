"""Reconcile: compare the ledger with what Magic Hour says, and tell what differs. Nothing is corrected silently."""

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from worker.domain.observation import Observation, Problem, Trouble
from worker.settings import Settings
from worker.store.balances import Settled, allow_request, sample_settled, sampled_since, save_balance
from worker.store.engine import Database, clock
from worker.tracking.check import Clients

# How long to wait for an allowance that others use up too, and how often to look.
_PATIENCE: Final = 10.0
_PAUSE: Final = 0.2


@dataclass(frozen=True, slots=True)
class Finding:
    """A settled project that was asked about once more: what the books have, and what Magic Hour says now.

    ``verdict`` is ``agrees``, ``differs``, ``gone`` (deleted, or not known any more) or ``unknown`` (no answer).
    """

    account: str
    kind: str
    project_id: str
    verdict: Literal["agrees", "differs", "gone", "unknown"]
    stored_status: str | None
    stored_credits: int | None
    status: str | None = None
    credits_charged: int | None = None
    detail: str = ""


def sample_balances(
    database: Database, settings: Settings, clients: Clients, *, patience: float = _PATIENCE, at_most_every: float = 0.0
) -> list[str]:
    """Note what each account can spend now. Returns a sentence for each account that could not be asked.

    An account that was asked less than ``at_most_every`` seconds ago is left alone.
    """
    with database.read() as connection:
        lately = sampled_since(connection, clock(connection) - timedelta(seconds=at_most_every))
    troubles = []
    for account in settings.accounts.keys() - lately:
        client = clients.of(account)
        if client is None or not _allowed(database, settings, account, patience):
            troubles.append(f"account {account} pauses, or its requests are used up; its balance was not asked for")
            continue
        balance = client.get_balance()
        if isinstance(balance, Trouble):
            troubles.append(f"account {account}: {balance.detail}; its balance is not known")
            continue
        with database.write() as connection:
            save_balance(connection, account, balance)
    return troubles


def check_sample(database: Database, settings: Settings, clients: Clients, most: int) -> list[Finding]:
    """Ask about some settled projects once more, at most so many, and say what differs."""
    with database.read() as connection:
        chosen = sample_settled(connection, list(settings.accounts), most)
    return [_check(database, settings, clients, project) for project in chosen]


def _check(database: Database, settings: Settings, clients: Clients, project: Settled) -> Finding:
    stored = (project.account, project.kind, project.project_id)
    known = (project.status, project.credits_charged)
    client = clients.of(project.account)
    if client is None or not _allowed(database, settings, project.account, _PATIENCE):
        return Finding(*stored, "unknown", *known, detail="the account pauses, or its requests are used up")
    answer = client.get_project(project.kind, project.project_id)
    if isinstance(answer, Observation):
        if not answer.enabled:
            return Finding(*stored, "gone", *known, detail="it was deleted at Magic Hour")
        same = (answer.status, answer.credits_charged) == known
        return Finding(*stored, "agrees" if same else "differs", *known, answer.status, answer.credits_charged)
    verdict: Literal["gone", "unknown"] = "gone" if answer.problem is Problem.NOT_FOUND else "unknown"
    return Finding(*stored, verdict, *known, detail=answer.detail)


def _allowed(database: Database, settings: Settings, account: str, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while True:
        with database.write() as connection:
            if allow_request(connection, account, settings.limits):
                return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(_PAUSE)
