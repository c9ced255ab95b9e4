"""The dashboard of ``renderwatch up``: a free port, and a token for whoever sits at the terminal."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from worker.cli.context import actor
from worker.cli.web import COMMAND
from worker.domain.tokens import SCOPES
from worker.settings import Settings
from worker.store.engine import Database
from worker.store.tokens import create_token, revoke_token

_NAME: Final = "up"


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Where it is, and how it is started."""

    host: str
    port: int
    command: Sequence[str] = COMMAND

    @property
    def environment(self) -> dict[str, str]:
        """The settings in which it differs."""
        return {"RENDERWATCH_WEB_HOST": self.host, "RENDERWATCH_WEB_PORT": str(self.port)}

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def choose_dashboard(settings: Settings) -> Dashboard:
    """Return the dashboard of the settings, on another port if that one is taken."""
    for port in (settings.web_port, 0):
        family = socket.AF_INET6 if ":" in settings.web_host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.web_host, port))
            except OSError:
                continue
            return Dashboard(settings.web_host, probe.getsockname()[1])
    return Dashboard(settings.web_host, settings.web_port)


def invitation(database: Database, dashboard: Dashboard, state: Path, *, at_terminal: bool) -> str:
    """Make a token for this run, and say how to log in with it. The one of an earlier run is worth nothing from now on.

    A terminal gets a link. Anything else may be a log, which is no place for a token: it is put into a file that only
    its owner can read.
    """
    with database.write() as connection:
        revoke_token(connection, _NAME)
        token = create_token(connection, _NAME, SCOPES, actor())
    if at_terminal:
        return f"dashboard: {dashboard.url}/login#{token}"
    path = state / "web-token"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(token + "\n", encoding="ascii")
    return f"dashboard: {dashboard.url} (the token to log in with is in {path})"
