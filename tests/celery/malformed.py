"""Messages that no healthy service sends, and what is said of each."""

import json
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kombu import Connection

from tests.celery.world import INTAKE, TRACK
from tests.support.services import Broker

GOOD_ID: Final = {"task": TRACK, "id": "7a0bb3c4-6a0f-4a5e-9e3a-000000000000"}
GOOD: Final = {"kind": "video", "project_id": "clx7uu86w0a5qp55yxz315r6r"}


@dataclass(frozen=True)
class Malformed:
    """A raw message, and a part of the reason for which it is refused."""

    name: str
    reason: str
    body: bytes
    headers: dict[str, Any] = field(default_factory=lambda: dict(GOOD_ID))
    content_type: str = "application/json"
    encoding: str = "utf-8"

    def publish(self, broker: Broker) -> None:
        """Send it as it is, past every serializer."""
        with Connection(broker.url, transport_options=broker.options) as connection, connection.Producer() as producer:
            producer.publish(
                self.body,
                exchange="",
                routing_key=INTAKE,
                headers=self.headers,
                content_type=self.content_type,
                content_encoding=self.encoding,
            )


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.mkdir, (self._folder,)


def _body(kwargs: object, args: object = (), embed: object = None) -> bytes:
    return json.dumps([args, kwargs, embed]).encode()


def malformed_messages(bomb: Path) -> list[Malformed]:
    """Return one message of each kind of trouble; unpickling one of them would make the folder `bomb`."""
    pickled = pickle.dumps(Bomb(bomb))
    return [
        *_unreadable(pickled),
        *_no_task(pickled),
        *_wrong_shapes(),
        *_wrong_fields(),
    ]


def _unreadable(pickled: bytes) -> list[Malformed]:
    cannot = "the message cannot be read"
    return [
        Malformed("text instead of JSON", cannot, b"please track my video"),
        Malformed("half of a JSON text", cannot, _body(GOOD)[:-5]),
        Malformed("a pickle", cannot, pickled, content_type="application/x-python-serialize", encoding="binary"),
        Malformed("a pickle that claims to be JSON", cannot, pickled),
        Malformed("YAML", cannot, b"- []\n- {}\n- {}\n", content_type="application/x-yaml"),
        Malformed("binary garbage", cannot, bytes(range(256)) * 40),
        Malformed("binary garbage of no type", cannot, bytes(range(256)), content_type="application/octet-stream"),
        Malformed("JSON nested without end", cannot, b"[" * 200_000),
        Malformed("a compression that nobody knows", cannot, _body(GOOD), {**GOOD_ID, "compression": "x-rar"}),
        Malformed("text that claims to be compressed", cannot, _body(GOOD), {**GOOD_ID, "compression": "gzip"}),
    ]


def _no_task(pickled: bytes) -> list[Malformed]:
    no_task = "the message is not a Celery task: send it with a Celery client"
    return [
        Malformed("JSON that is no task", no_task, json.dumps(GOOD).encode(), {}),
        Malformed("a pickle without headers", no_task, pickled, {}, "application/x-python-serialize", "binary"),
        Malformed("a task without an id", no_task, _body(GOOD), {"task": TRACK}),
        Malformed("an id without a task", no_task, _body(GOOD), {"id": GOOD_ID["id"]}),
        Malformed("an id that is a number", no_task, _body(GOOD), {"task": TRACK, "id": 7}),
        Malformed("a task that is a list", no_task, _body(GOOD), {"task": [TRACK], "id": "x"}),
        Malformed(
            "an unknown task",
            "there is no task 'renderwatch.trakc'",
            _body(GOOD),
            {**GOOD_ID, "task": "renderwatch.trakc"},
        ),
        Malformed("a very long name", "there is no task 'xxx", _body(GOOD), {**GOOD_ID, "task": "x" * 50_000}),
    ]


def _wrong_shapes() -> list[Malformed]:
    shape, arguments = "the message's body is not [args, kwargs, embed]", "the message's arguments are not"
    bodies = {
        "an object": json.dumps(GOOD).encode(),
        "null": b"null",
        "a text": b'"x"',
        "two parts": b"[[], {}]",
        "nothing": b"",
    }
    return [
        *(Malformed(f"a body that is {name}", shape, body) for name, body in bodies.items()),
        Malformed("an embed that is a text", shape, _body(GOOD, embed="x")),
        Malformed("a task that shall follow", "wants other tasks to follow", _body(GOOD, embed={"callbacks": [5]})),
        Malformed("kwargs that are a list", arguments, _body([])),
        Malformed("args that are an object", arguments, _body(GOOD, args={})),
        Malformed("args instead of kwargs", "send keyword arguments", _body({}, args=["video", GOOD["project_id"]])),
    ]


def _wrong_fields() -> list[Malformed]:
    fields: dict[str, dict[str, Any]] = {
        "kind is 'film'": {**GOOD, "kind": "film"},
        "project_id is '../admin'": {**GOOD, "project_id": "../admin"},
        "did you mean project_id?": {"kind": "video", "projectid": GOOD["project_id"]},
        "it must be a whole number from 0 to": {**GOOD, "credits_charged": -1},
        "at most 8192 are allowed": {**GOOD, "metadata": {"text": "x" * 3_000_000}},
        "metadata must hold JSON values only": {**GOOD, "metadata": {"number": float("nan")}},
        "is not allowed": {**GOOD, "notify": ["celery:shell.run"]},
        "a request must be an object": {"projects": ["not an object"]},
        "either one project's fields, or projects": {"projects": 5},
    }
    return [Malformed(reason, reason, _body(kwargs)) for reason, kwargs in fields.items()]


def odd_messages() -> list[Malformed]:
    """Return good requests whose headers hold what Celery would stumble over, each for a project of its own."""
    headers: dict[str, Any] = {
        "eta": "tomorrow",
        "expires": "soon",
        "timelimit": ["a", "b"],
        "retries": "many",
        "stamped_headers": 7,
        "stamps": [5],
        "shadow": {},
        "group": {"a": 1},
        "ignore_result": "perhaps",
        "argsrepr": {},
        "lang": 5,
    }
    return [
        Malformed(name, "", _body({**GOOD, "project_id": f"odd-project-{name}"}), {**GOOD_ID, name: value})
        for name, value in headers.items()
    ]
