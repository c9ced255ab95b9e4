"""The HTTP clients of one process."""

from typing import Final

from worker.magic_hour.client import MagicHourClient
from worker.settings import Settings

# Minimum number of connections for each account.
_FEWEST_CONNECTIONS: Final = 16


class Clients:
    """One client for each account, made when first needed and kept for its open connections.

    Not to be used across a fork.
    """

    def __init__(self, settings: Settings) -> None:
        """Do not connect yet."""
        self._settings = settings
        self._clients: dict[str, MagicHourClient] = {}
        # All of them together must not have more open than a process may.
        share = settings.check_concurrency // max(1, len(settings.accounts))
        self._connections = min(settings.check_concurrency, max(_FEWEST_CONNECTIONS, share))

    def of(self, account: str) -> MagicHourClient | None:
        """Return the client of an account, or None when the settings have no key for it."""
        if account not in self._clients and account in self._settings.accounts:
            self._clients[account] = MagicHourClient(
                self._settings.magic_hour_base_url,
                self._settings.accounts[account].get_secret_value(),
                timeout=self._settings.request_timeout,
                connections=self._connections,
                transport=self._settings.transport,
            )
        return self._clients.get(account)

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()
