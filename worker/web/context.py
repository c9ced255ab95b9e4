"""What every endpoint and page needs."""

from dataclasses import dataclass

from starlette.requests import Request

from worker.settings import Settings
from worker.store.engine import Database
from worker.web.hub import Hub
from worker.web.identity import Identities


@dataclass(frozen=True, slots=True)
class Web:
    """One web process: its settings, its database, those who wait in it, and who they are."""

    settings: Settings
    database: Database
    hub: Hub
    identities: Identities
    origins: dict[str, str]


def web_of(request: Request) -> Web:
    """Return the process that a request came to."""
    web = request.app.state.web
    if not isinstance(web, Web):
        raise TypeError("the application was not made by create_app")
    return web
