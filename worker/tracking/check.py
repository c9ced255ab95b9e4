"""Check: ask the API for every project of a batch at the same time, and record the answers together."""

import time
from dataclasses import replace

from worker.domain.durations import Durations
from worker.domain.observation import Answer, Problem, Trouble
from worker.magic_hour.client import MagicHourClient
from worker.settings import Settings
from worker.store.engine import Database
from worker.store.leases import Claim, Lease, begin_batch
from worker.store.recording import Recorded, record_batch
from worker.tracking.fan_out import FanOut


class Clients:
    """One client for each account, made when first needed and kept for its open connections, and their threads."""

    def __init__(self, settings: Settings) -> None:
        """Remember the settings; nothing is connected yet."""
        self._settings = settings
        self._clients: dict[str, MagicHourClient] = {}
        self.fan_out = FanOut(settings.check_concurrency)

    def of(self, account: str) -> MagicHourClient | None:
        """Return the client of an account, or None when the settings have no key for it."""
        if account not in self._clients and account in self._settings.accounts:
            self._clients[account] = MagicHourClient(
                self._settings.magic_hour_base_url,
                self._settings.accounts[account].get_secret_value(),
                timeout=self._settings.request_timeout,
                connections=self._settings.check_concurrency,
                transport=self._settings.transport,
            )
        return self._clients.get(account)

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        self.fan_out.close()


def check(
    database: Database, settings: Settings, clients: Clients, durations: Durations, token: str
) -> Recorded | None:
    """Check one batch. Returns None when its lease is over or somebody else has it: then nothing is asked."""
    lease = database.transact(lambda connection: begin_batch(connection, token))
    if lease is None:
        return None
    answers = _ask(clients, lease, settings)
    plan = replace(settings.plan, durations=durations)
    return database.transact(lambda connection: record_batch(connection, lease, answers, plan, settings.routes))


def _ask(clients: Clients, lease: Lease, settings: Settings) -> dict[int, Answer]:
    client = clients.of(lease.account)
    if client is None:
        missing = Trouble(Problem.UNAUTHORIZED, f"account {lease.account!r} has no API key in the settings")
        return {claim.id: missing for claim in lease.claims}
    # No request starts that could outlive the lease; what was not asked comes due again at once.
    latest_start = time.monotonic() + lease.seconds_left - settings.request_timeout

    def ask(claim: Claim) -> tuple[int, Answer] | None:
        if time.monotonic() > latest_start:
            return None
        return claim.id, client.get_project(claim.kind, claim.project_id)

    return dict(filter(None, clients.fan_out.map(ask, lease.claims)))
