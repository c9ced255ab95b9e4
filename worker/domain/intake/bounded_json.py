"""Parsing untrusted JSON: no recursion, however deeply it is nested."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, NoReturn

# Deeper than any accepted request, so what is cut here is rejected later with the reason.
DEEPEST: Final = 64
# A string (perhaps unterminated) or a bracket. Brackets inside strings do not nest.
_TOKEN: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)
_OPENING: Final = "[{"


class RepeatedKeyError(ValueError):
    """An object has a key more than once, so nobody can tell which value is meant."""

    def __init__(self, key: str) -> None:
        """``key`` is the one that is repeated."""
        self.key = key
        super().__init__(f"the key {key[:100]!r} occurs twice in one object; keep one of them")


def loads(text: str | bytes, *, constants: bool = False) -> Any:  # noqa: ANN401  whatever JSON holds
    """Parse JSON. Objects and lists nested deeper than 64 levels become null, and kombu's tagged values become text.

    Raises RepeatedKeyError, and another ValueError for invalid JSON and for text that is not UTF-8; also for NaN and
    Infinity, which Python writes, unless ``constants``.
    """
    if isinstance(text, bytes):
        text = text.decode()
    if is_deep(text):
        text = _cut(text)
    return json.loads(text, object_pairs_hook=_object, parse_constant=float if constants else _refuse_constant)


def is_deep(text: str) -> bool:
    """Whether a text may be nested too deeply. A quick check: False is certain, True is not."""
    return text.count("[") + text.count("{") > DEEPEST


def is_too_deep(text: str) -> bool:
    """Whether a text is nested too deeply."""
    return is_deep(text) and len(_cut(text)) < len(text)


def _cut(text: str) -> str:
    """Replace what is nested too deeply with null."""
    kept: list[str] = []
    depth = start = 0
    for token in _TOKEN.finditer(text):
        bracket = token[0]
        if bracket[0] == '"':
            continue
        if bracket in _OPENING:
            depth += 1
            if depth == DEEPEST + 1:
                kept.append(text[start : token.start()])
        else:
            if depth == DEEPEST + 1:
                kept.append("null")
                start = token.end()
            depth -= 1
    if depth <= DEEPEST:
        kept.append(text[start:])
    return "".join(kept)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of its parts, as the ``object_pairs_hook`` of a parser. Raises RepeatedKeyError."""
    value = dict(pairs)
    if len(value) < len(pairs):
        (key, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise RepeatedKeyError(key)
    return value


def _object(pairs: list[tuple[str, Any]]) -> Any:  # noqa: ANN401  as above
    return _untagged(unique_keys(pairs))


def _untagged(value: dict[str, Any]) -> Any:  # noqa: ANN401  as above
    """Return the text of values that kombu encodes like {"__type__": "uuid", "__value__": {"hex": "…"}}."""
    if value.keys() != {"__type__", "__value__"}:
        return value
    content = value["__value__"]
    if value["__type__"] == "uuid" and isinstance(content, Mapping):
        content = content.get("hex")
        if isinstance(content, str) and re.fullmatch("[0-9a-f]{32}", content):
            return f"{content[:8]}-{content[8:12]}-{content[12:16]}-{content[16:20]}-{content[20:]}"
    elif value["__type__"] in ("datetime", "date", "time", "decimal", "bytes", "base64") and isinstance(content, str):
        return content
    return value
