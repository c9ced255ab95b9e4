"""The dashboard of ``renderwatch up``: a free port, and a token for the user at the terminal."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from worker.cli.context import actor
from worker.cli.web import COMMAND
from worker.domain.access_tokens import SCOPES
from worker.settings import Settings
from worker.store.access_tokens import create_token, revoke_token
from worker.store.engine import Database

_NAME: Final = "up"


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The address of the dashboard, and how to start it."""

    host: str
    port: int
    root_path: str = ""
    command: Sequence[str] = COMMAND

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that set its address."""
        return {"RENDERWATCH_WEB_HOST": self.host, "RENDERWATCH_WEB_PORT": str(self.port)}

    @property
    def url(self) -> str:
        """The URL of the dashboard."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}{self.root_path}"


def choose_dashboard(settings: Settings) -> Dashboard:
    """Return the dashboard as the settings define it, on another port if theirs is in use."""
    for port in (settings.web_port, 0):
        family = socket.AF_INET6 if ":" in settings.web_host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.web_host, port))
            except OSError:
                continue
            return Dashboard(settings.web_host, probe.getsockname()[1], settings.web_root_path)
    return Dashboard(settings.web_host, settings.web_port, settings.web_root_path)


def invitation(database: Database, dashboard: Dashboard, state: Path, *, at_terminal: bool) -> str:
    """Create a token for this run, and say how to log in with it. The token of an earlier run is revoked.

    A terminal gets a link. Other output may be a log, so the token is written to a file that only
    the owner can read.
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
