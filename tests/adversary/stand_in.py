"""A stand-in for the API whose answer to each project a test writes itself, and a worker's way to check against it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

from tests.magic_hour.bodies import VIDEO
from tests.magic_hour.server import Answer, Server, reply, serving
from tests.store.checking import SETTINGS
from tests.store.world import claim, name, project
from worker.domain.scheduling.durations import Durations
from worker.settings import Settings
from worker.store.engine import Database
from worker.store.projects.recording import Recorded
from worker.tracking.check import check
from worker.tracking.clients import Clients

ACCOUNT: Final = {"id": "account", "email": None, "tier": "pro", "credits": 9600, "subscription": None}
PAGE: Final = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>"
HEALTHY: Final = {"credits_charged": 300}


def json_reply(status: int, body: object, **headers: str) -> Answer:
    return reply(status, json.dumps(body).encode(), Content_Type="application/json", **headers)


def refusal(status: int, code: str = "code", message: str = "message") -> Answer:
    return json_reply(status, {"code": code, "message": message})


def page(status: int) -> Answer:
    return reply(status, PAGE, Content_Type="text/html")


@dataclass
class StandIn:
    """What is answered, by project id; all others are complete at 300 credits."""

    server: Server
    answers: dict[str, Answer] = field(default_factory=dict)
    bodies: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    account: Answer = field(default_factory=lambda: json_reply(200, ACCOUNT))
    everything: Answer | None = None

    def asked(self, path: str) -> int:
        return sum(path in each for each in self.server.paths)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        id_ = handler.path.rpartition("/")[2]
        if self.everything is not None:
            self.everything(handler)
        elif handler.path == "/v1/account":
            self.account(handler)
        elif id_ in self.answers:
            self.answers[id_](handler)
        else:
            json_reply(200, {**VIDEO, **HEALTHY, "id": id_, **self.bodies.get(id_, {})})(handler)


@contextmanager
def stand_in() -> Iterator[StandIn]:
    with serving(reply(500)) as server:
        api = StandIn(server)
        server.answer = api.answer
        yield api


def check_due(database: Database, api: StandIn, settings: Settings = SETTINGS) -> list[Recorded]:
    """Claim all that is due and check it, as dispatch and a worker do."""
    clients = Clients(settings.model_copy(update={"magic_hour_base_url": api.server.url}))
    try:
        batches = claim(database, batch_size=1000)
        found = [check(database, settings, clients, Durations(), batch.token) for batch in batches]
    finally:
        clients.close()
    return [each for each in found if each is not None]


def assert_recorded(database: Database, *numbers: int) -> None:
    """The healthy neighbours are complete, with their price."""
    for number in numbers:
        found = project(database, number)
        seen = (found["status"], found["credits_charged"], found["last_problem"])
        assert seen == ("complete", 300, None), name(number)
