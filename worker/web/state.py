"""The shared state of a web process."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from starlette.requests import Request

from worker.settings import Settings
from worker.store.engine import Database
from worker.tracking.learn_durations import LearnedDurations
from worker.web.gate.authentication import Identities
from worker.web.streams.change_broadcaster import ChangeBroadcaster


@dataclass(frozen=True, slots=True)
class Web:
    """The state of a web process: settings, database, waiting clients, authentication and learned durations."""

    settings: Settings
    database: Database
    broadcaster: ChangeBroadcaster
    identities: Identities
    origins: dict[str, str]
    metrics: CollectorRegistry
    learned: LearnedDurations


def web_of(request: Request) -> Web:
    """Return the state of the process that handles a request."""
    web = request.app.state.web
    if not isinstance(web, Web):
        raise TypeError("the application was not made by create_app")
    return web
