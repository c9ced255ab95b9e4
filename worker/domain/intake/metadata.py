"""The validation of callers' metadata, the same for HTTP, CLI and Celery."""

import json
import math
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

MOST_METADATA: Final = 8 * 1024  # bytes of compact JSON in UTF-8
MOST_METADATA_DEPTH: Final = 16  # the object itself is the first level
MOST_METADATA_KEY: Final = 200  # characters
# Most JSON readers cannot represent larger numbers.
_MOST_NUMBER: Final = 10**300
_JSON_ONLY: Final = "metadata must hold JSON values only: finite numbers, valid Unicode, and keys that are strings"


class MetadataError(ValueError):
    """Metadata that is not accepted. The message says why."""


def parse_metadata(value: object) -> dict[str, Any]:
    """Return a copy that holds only bounded JSON values; UUIDs, times and decimals become text.

    Raises MetadataError.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise MetadataError("metadata must be an object")
    copy = _copy(value)
    try:
        size = len(json.dumps(copy, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode())
    except ValueError:  # a lone surrogate, which JSON can express but no database stores
        raise MetadataError(_JSON_ONLY) from None
    if size > MOST_METADATA:
        raise MetadataError(f"metadata has {size} bytes as JSON in UTF-8; at most {MOST_METADATA} are allowed")
    return copy


def _copy(source: Mapping[Any, Any]) -> dict[str, Any]:
    """Copy level by level, without recursion, and stop as soon as a limit is exceeded."""
    copy: dict[str, Any] = {}
    level: list[tuple[Any, Any]] = [(source, copy)]
    nodes = depth = 0
    while level:
        depth += 1
        if depth > MOST_METADATA_DEPTH:
            raise MetadataError(f"metadata is nested deeper than {MOST_METADATA_DEPTH} levels")
        below: list[tuple[Any, Any]] = []
        for container, target in level:
            nodes += len(container)
            if nodes > MOST_METADATA:  # each takes at least a byte and a comma
                raise MetadataError(
                    f"metadata has more than {MOST_METADATA} bytes as JSON; at most that many are allowed"
                )
            _copy_items(container, target, below)
        level = below
    return copy


def _copy_items(container: Any, target: Any, below: list[tuple[Any, Any]]) -> None:  # noqa: ANN401  objects and lists
    """Copy one object or list; nested objects and lists are copied later, from ``below``."""
    for key, value in _items(container):
        copied: Any
        if isinstance(value, Mapping):
            copied = {}
            below.append((value, copied))
        elif isinstance(value, (list, tuple)):
            copied = []
            below.append((value, copied))
        else:
            copied = _scalar(value)
        if isinstance(target, dict):
            target[_key(key)] = copied
        else:
            target.append(copied)


def _items(container: Any) -> Iterable[tuple[Any, Any]]:  # noqa: ANN401  as above
    return container.items() if isinstance(container, Mapping) else ((None, value) for value in container)


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise MetadataError(_JSON_ONLY)
    if len(key) > MOST_METADATA_KEY:
        raise MetadataError(f"a key of metadata has {len(key)} characters; at most {MOST_METADATA_KEY} are allowed")
    return _text(key)


def _text(value: str) -> str:
    if len(value) > MOST_METADATA:
        raise MetadataError(f"metadata has a string of {len(value)} characters; at most {MOST_METADATA} are allowed")
    if "\x00" in value:
        raise MetadataError("metadata must not contain the character U+0000")
    return value


def _scalar(value: object) -> object:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        if abs(value) >= _MOST_NUMBER:
            raise MetadataError("metadata has a number of more than 300 digits; send it as a string")
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, (UUID, Decimal)):
        return _text(str(value))
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    raise MetadataError(_JSON_ONLY)
