"""The line that a process logs when it starts: version, database, broker, API and accounts, without secrets."""

from typing import Final
from urllib.parse import urlsplit

from worker import __version__
from worker.settings import Settings

_HIDDEN: Final = "***"


def summarize(process: str, settings: Settings) -> str:
    """Return the line for a process."""
    accounts = ", ".join(sorted(settings.accounts)) or "none"
    return (
        f"renderwatch {__version__} {process}: database {without_password(settings.database)}, "
        f"broker {without_password(settings.broker)}, API {settings.magic_hour_base_url}, accounts: {accounts}"
    )


def without_password(url: str) -> str:
    """Return a URL without its password and its query, which may hold one. ``;`` joins several (Sentinel)."""
    return ";".join(map(_without_password, url.split(";")))


def _without_password(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator:
        return _HIDDEN  # not a URL, so it may be a secret
    # An unquoted / # or ? in a password would end the host part early, so split at the last @.
    credentials, at, address = rest.rpartition("@")
    user = credentials.partition(":")[0]
    shown = user + (f":{_HIDDEN}" if ":" in credentials else "") + at if at else ""
    parts = urlsplit(f"{scheme}://{address}")
    return f"{scheme}://{shown}{parts.netloc}{parts.path}"
