"""The addresses that web may listen on: without a token, only loopback ones."""

import ipaddress

from worker.store.access_tokens import any_token
from worker.store.engine import Database


class NotGuardedError(ValueError):
    """An address that other machines can reach, while no token exists."""


def check_guarded(database: Database, host: str) -> None:
    """Refuse to listen on other than loopback addresses until a token exists. Raises NotGuardedError."""
    if is_loopback(host):
        return
    with database.read() as connection:
        guarded = any_token(connection)
    if not guarded:
        raise NotGuardedError(
            f"{host} can be reached from other machines, and there is no token yet: nobody could log in, and a mistake "
            "would open everything. Create one before exposing the server: renderwatch tokens create NAME --scope read "
            "--scope operate; or listen on 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address. Any name but localhost could be public."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
