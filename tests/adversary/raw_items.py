"""What a client that speaks Redis and nothing else may push onto a list of ours; nothing of it is an envelope."""

import base64
import copy
import json
import random
from collections.abc import Iterator
from typing import Any, Final

GOOD: Final = {"kind": "video", "project_id": "clx7uu86w0a5qp55yxz315r6r"}
TRACK: Final = "renderwatch.track"
MISSING: Final = object()
_ODD: Final[tuple[Any, ...]] = (
    None,
    True,
    -1,
    1e300,
    "",
    "\ud800",
    "x" * 100_000,
    [],
    [[]],
    {},
    {"a": {}},
    {"__type__": "uuid", "__value__": 7},
    {"__type__": "nothing", "__value__": {}},
)


def envelope(kwargs: object, *, task: str = TRACK, queue: str = "renderwatch.intake") -> dict[str, Any]:
    """Return what kombu pushes for a task."""
    body = json.dumps([[], kwargs, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}])
    return {
        "body": base64.b64encode(body.encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"task": task, "id": "7a0bb3c4-6a0f-4a5e-9e3a-000000000000", "lang": "py", "argsrepr": "()"},
        "properties": {
            "correlation_id": "7a0bb3c4-6a0f-4a5e-9e3a-000000000000",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": "e6c1b1a0-0000-4000-8000-000000000000",
        },
    }


def no_json() -> list[bytes]:
    """Return what cannot even be parsed, or is no object."""
    deep = 200_000
    return [
        b"not json",
        b"",
        b" ",
        b"7",
        b"null",
        b"[]",
        b"{}",
        b'"text"',
        b"true",
        b"NaN",
        b"-",
        b"\xff\xfe\x00",
        bytes(range(256)) * 10,
        b"[" * deep,
        b"[" * deep + b"]" * deep,
        b'{"a":' * deep + b"1" + b"}" * deep,
        b'{"headers":' + b"[" * 900 + b"]" * 900 + b"}",
        json.dumps(GOOD).encode(),
        json.dumps([[], GOOD, None]).encode(),
        b"9" * 100_000,
        b'{"a": "' + b"x" * 1_000_000 + b'"}',
    ]


def breaks(whole: dict[str, Any]) -> list[tuple[tuple[str, ...], Any]]:
    """Return each field's path with each wrong value for it; the first one is that it is missing."""
    return [(path, value) for path in _paths(whole) for value in (MISSING, *_ODD)]


def broken(whole: dict[str, Any], path: tuple[str, ...], value: object) -> bytes:
    """Return an envelope with another value in one field."""
    copied = copy.deepcopy(whole)
    _put(copied, path, value)
    return json.dumps(copied).encode()


def _paths(value: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, inner in value.items():
        yield (*above, key)
        if isinstance(inner, dict):
            yield from _paths(inner, (*above, key))


def _put(value: dict[str, Any], path: tuple[str, ...], new: object) -> None:
    for key in path[:-1]:
        value = value[key]
    if new is MISSING:
        del value[path[-1]]
    else:
        value[path[-1]] = new


def random_items(seed: int, count: int) -> Iterator[bytes]:
    """Yield envelopes with bytes changed, cut and doubled at random, the same for the same seed."""
    dice = random.Random(seed)  # noqa: S311  not a secret
    for _ in range(count):
        item = bytearray(json.dumps(envelope(GOOD)).encode())
        for _ in range(dice.choice((1, 1, 2, 8, 64))):
            at = dice.randrange(len(item))
            kind = dice.randrange(4)
            if kind == 0:
                item[at] = dice.randrange(256)
            elif kind == 1:
                del item[at : at + dice.randrange(1, 40)]
            elif kind == 2:
                item[at:at] = item[at : at + dice.randrange(1, 40)]
            else:
                item[at:at] = bytes(dice.choice(b'{}[]",:\\') for _ in range(dice.randrange(1, 5)))
            if not item:
                break
        yield bytes(item)
