"""Messages that look nearly like tracking requests: the bodies, headers and properties that some client might write.

Each is for a project of its own: afterwards it is tracked, or kept with its reason.
"""

import base64
import bz2
import copy
import gzip
import json
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Any, Final

from tests.adversary.raw_items import envelope

_EMBED: Final = '{"callbacks": null, "errbacks": null, "chain": null, "chord": null}'
_BOMB: Final = b" " * (64 * 1024 * 1024)
_DEEP: Final = "[" * 5000 + "]" * 5000
# What stands for the id of a message's project.
_ID: Final = "ID-OF-PROJECT"


@dataclass(frozen=True)
class Odd:
    """A message by its parts. ``is_good`` if it must be tracked; ``is_empty`` if it asks for nothing."""

    body: bytes
    headers: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    content_type: Any = "application/json"
    encoding: Any = "utf-8"
    is_good: bool = False
    is_empty: bool = False
    pack: Callable[[bytes], bytes] = bytes

    def of(self, number: int) -> "Odd":
        """Return the message for the project with this number."""
        return replace(self, body=self.pack(self.body.replace(_ID.encode(), project_id(number).encode())))

    def item(self, number: int, queue: str) -> bytes:
        """Return the item of a Redis list."""
        whole = copy.deepcopy(envelope({}, queue=queue))
        whole |= {"content-type": self.content_type, "content-encoding": self.encoding}
        whole["body"] = base64.b64encode(self.body).decode()
        whole["headers"] |= self.headers
        whole["properties"] |= {"delivery_tag": f"tag-{number}"} | self.properties
        return json.dumps(whole).encode()


def project_id(number: int) -> str:
    """Return the id of the project that a message is for."""
    return f"odd-project-{number:04}"


def odd_messages() -> list[Odd]:
    """Return all of them; a message's number is its place."""
    makes = (_values, _wholes, _bodies, _encodings, _compressions, _headers, _properties)
    return [odd.of(number) for number, odd in enumerate(chain.from_iterable(make() for make in makes))]


def _request(more: str = "") -> str:
    return f'{{"kind": "video", "project_id": "{_ID}"{more}}}'


def _call(kwargs: str | None = None, args: str = "[]", embed: str = _EMBED) -> bytes:
    """Return the body of a Celery message around JSON as it is: around a good request as a rule."""
    return f"[{args}, {_request() if kwargs is None else kwargs}, {embed}]".encode("utf-8", "surrogatepass")


_NUMBERS: Final = (
    *("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e3", "450.0", "450.5", "-0", "-0.0", "true", "false"),
    *(
        "9" * 400,
        "9" * 5000,
        "-1",
        str(2**63),
        str(10**12),
        str(10**12 + 1),
        '"450"',
        '"\uff14\uff15\uff10"',
        "[]",
        "{}",
        '"\\ud800"',
    ),
)
_METADATA: Final = (
    *("NaN", "[]", "7", '"text"', "true", '{"a": NaN}', '{"a": 1e400}', f'{{"a": {_DEEP}}}', '{"\\u0000": 1}'),
    *('{"a": "\\ud800"}', '{"\\udfff": 1}', f'{{"a": {"9" * 4000}}}', f'{{"a": {"9" * 5000}}}', '{"a": 1, "a": 2}'),
    *('{"__type__": "datetime", "__value__": "never"}', '{"a": {"__type__": "uuid", "__value__": "x"}}', '{"": ""}'),
    *(
        f'{{"{"k" * 201}": 1}}',
        '{"a": "\\u202e\\u0007\\u001b[31m"}',
        '{"__proto__": {}}',
        f'{{"a": [{"[]," * 4000}0]}}',
    ),
)
_NOTIFY: Final = (
    *("7", "{}", '{"*": 7}', '{"project.done": []}', '["celery:\\u0000"]', '["celery:x", 7]', '[["celery:x"]]', "true"),
    *(
        '{"project.completed": ["celery:renderwatch.upkeep"]}',
        '["https://169.254.169.254/"]',
        '["' + 'celery:a", "' * 30 + 'celery:a"]',
    ),
    *('["celery:orders.rendered?queue=orders\\n"]', '{"\\ud800": []}', _DEEP),
)
_NAMES: Final = (
    *("null", "7", '""', '"Default"', '"default\\n"', '"défaut"', '"a/../b"', '["default"]', '{"a": 1}', '"\\ud800"'),
    *(f'"{"a" * 64}"', '"\\u0000"', '"-a"', "true", '"\uff41\uff43\uff43\uff4f\uff55\uff4e\uff54"'),
)
_KINDS: Final = (
    *("null", "7", '""', '"Video"', '"video\\n"', '"vid\u0435o"', '["video"]', '{"video": 1}', "true", '"\\ud800"'),
    *('"video\\u0000"', f'"{"v" * 100_000}"', _DEEP, '"\uff56ideo"'),
)
_IDS: Final = (
    *(
        f'"{_ID}\\n"',
        f'"\\ufeff{_ID}"',
        f'" {_ID}"',
        f'"{_ID}\\u0000"',
        f'"{_ID}\uff15"',
        f'"{_ID}\u043e"',
        f'["{_ID}"]',
    ),
    *(f'{{"a": "{_ID}"}}', "true", "1234567890", "null", '"\\ud800\\ud800\\ud800\\ud800"', _DEEP, f'"{_ID * 90}"'),
    *('"../../v1/account"', f'"{_ID}?x=1"', f'"{_ID}%00"', f'"{_ID}#"', '"short"'),
)
_LISTS: Final = ("null", "{}", "7", '"x"', "[7]", "[null]", "[[]]", f"[{_DEEP}]", '{"a": 1}')


def _values() -> Iterator[Odd]:
    """Yield one field wrong beside good ones."""
    for name, values in {
        "credits_charged": _NUMBERS,
        "metadata": _METADATA,
        "notify": _NOTIFY,
        "account": _NAMES,
    }.items():
        yield from (Odd(_call(_request(f', "{name}": {value}'))) for value in values)
    for key in ("self", "kind ", "Kind", "\\u0000", "\\ud800", "projects", "x" * 9000):
        yield Odd(_call(_request(f', "{key}": 1')))


def _wholes() -> Iterator[Odd]:
    yield from (Odd(_call(f'{{"kind": "video", "project_id": {id_}}}')) for id_ in _IDS)
    yield from (Odd(_call(f'{{"kind": {kind}, "project_id": "{_ID}"}}')) for kind in _KINDS)
    for projects in _LISTS:
        yield Odd(_call(f'{{"projects": {projects}, "x": "{_ID}"}}'))
        yield Odd(_call(f'{{"projects": {projects}}}'))
    yield Odd(_call('{"projects": []}'), is_empty=True)


def _bodies() -> Iterator[Odd]:
    for repeated in (f', "project_id": "{_ID}"', ', "credits_charged": 1, "credits_charged": 2', ', "kind": "image"'):
        yield Odd(_call(_request(repeated)))
        yield Odd(_call(f'{{"projects": [{_request(repeated)}]}}'))
    yield Odd(_call(f'{{"projects": [], "projects": [{_request()}]}}'))
    yield Odd(b"  \n" + _call() + b"\n\n", is_good=True)
    yield Odd(_call(f'{{"projects": [{_request()}, {_request()}]}}'), is_good=True)
    whole = _call()
    yield from map(Odd, (b"\xef\xbb\xbf" + whole, whole + b"garbage", whole * 2, whole[:-1], whole + b"\x00"))
    yield from (Odd(_call(args=args)) for args in ('["self"]', _DEEP, "null"))
    for body in ("", "null", "[]", "[[], {}]", "[[], {}, null, null]", "{}", "7", "NaN", '"x"', _DEEP, "[[], [], {}]"):
        yield Odd(body.encode())
    for embed in ("7", "[]", '"x"', '{"callbacks": 5}', '{"chord": {}}', f'{{"chain": {_DEEP}}}', '{"x": [1]}'):
        yield Odd(_call(embed=embed))
    yield Odd(whole.replace(b"video", b"v\xedde\xf3"))
    yield Odd(whole.replace(b"video", b"\xed\xa0\x80"))


def _encodings() -> Iterator[Odd]:
    types: tuple[Any, ...] = (
        None,
        7,
        [],
        {},
        "",
        "application/JSON",
        "application/json; charset=utf-8",
        "text/plain",
        "a" * 200,
        "json",
    )
    types += ("application/x-python-serialize", "application/x-yaml", "application/x-msgpack", "application/data")
    yield from (Odd(_call(), content_type=each) for each in types)
    codecs: tuple[Any, ...] = (
        None,
        7,
        [],
        {},
        "",
        "utf-16",
        "utf-7",
        "latin-1",
        "cp037",
        "rot13",
        "hex",
        "zlib",
        "zlib_codec",
        "idna",
    )
    codecs += (
        "undefined",
        "unicode_escape",
        "raw_unicode_escape",
        "base64",
        "uu",
        "mbcs",
        "x" * 200,
        "\x00",
        "punycode",
    )
    yield from (Odd(_call(), encoding=each) for each in codecs)
    yield Odd(_call(), encoding="utf-16", pack=lambda body: body.decode().encode("utf-16"))
    yield Odd(_call(), encoding="UTF-8", is_good=True)


def _twice(pack: Callable[[bytes], bytes], body: bytes) -> bytes:
    return pack(pack(body))


def _cut(pack: Callable[[bytes], bytes], body: bytes) -> bytes:
    return pack(body)[:-9]


def _compressions() -> Iterator[Odd]:
    packers: dict[str, Callable[[bytes], bytes]] = {
        "application/x-gzip": zlib.compress,
        "application/x-bz2": bz2.compress,
        "application/x-lzma": lzma.compress,
    }
    for name, pack in packers.items():
        packed = Odd(_call(), {"compression": name}, pack=pack)
        yield replace(packed, is_good=True)
        yield replace(packed, pack=partial(_twice, pack))
        yield replace(packed, body=_BOMB)
        yield replace(packed, pack=partial(_cut, pack))
        yield replace(packed, pack=bytes)
        yield replace(packed, body=b"", pack=bytes)
    others: tuple[Any, ...] = (
        7,
        [],
        {},
        "",
        "gzip",
        "zstd",
        "application/zstd",
        "application/x-brotli",
        True,
        "x" * 9000,
    )
    for other in others:
        yield Odd(_call(), {"compression": other}, pack=gzip.compress)


def _headers() -> Iterator[Odd]:
    odd: tuple[Any, ...] = (None, True, -1, 1e300, 2**60, "", "\x00", "x" * 50_000, [], [[]], {}, {"a": {}})
    names: tuple[str, ...] = (
        "task",
        "id",
        "root_id",
        "parent_id",
        "lang",
        "eta",
        "expires",
        "retries",
        "timelimit",
        "group",
        "shadow",
    )
    names += ("argsrepr", "kwargsrepr", "origin", "ignore_result", "stamps", "stamped_headers", "replaced_task_nesting")
    names += ("renderwatch-fault", "x-death", "group_index", "meth", "hostname", "reply_to")
    yield from (Odd(_call(), {name: value}) for name in names for value in odd)
    for moment in (
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2999-01-01",
        "9999-12-31T23:59:59.999999",
    ):
        yield from (Odd(_call(), {name: moment}, is_good=True) for name in ("expires", "eta"))
    for task in ("renderwatch.check", "celery.backend_cleanup", "celery.chord", "celery.map", "os.system"):
        yield from (Odd(body, {"task": task}) for body in (_call(), _call("{}")))
    for lease in ('"\\u0000"', '"\\ud800"', f'"{"x" * 50_000}"', "7", "null", '"x"', '["x"]'):
        yield Odd(_call(f'{{"lease": {lease}}}'), {"task": "renderwatch.check"})


def _properties() -> Iterator[Odd]:
    odd: dict[str, tuple[Any, ...]] = {
        "priority": (None, -5, 10**30, "high", 1e300, [], {}, True, "\x00"),
        "reply_to": (None, 7, [], "\x00", "renderwatch.intake", "x" * 200),
        "delivery_tag": (None, "", "-1", "\x00", "é", "x" * 199, "x" * 201, -1, 0, 1.5, [], {}),
        "delivery_info": (None, [], {}, {"exchange": None}, {"exchange": "", "routing_key": 7}, "x"),
        "delivery_mode": (None, 3, "x", []),
        "body_encoding": (None, "base32", "BASE64", 7, [], {}),
        "correlation_id": (None, 7, "\x00", [], {}),
        "timestamp": (None, -1, "now", 1e300),
    }
    yield from (Odd(_call(), properties={name: value}) for name, values in odd.items() for value in values)
