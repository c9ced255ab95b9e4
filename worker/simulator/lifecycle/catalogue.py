"""The create endpoints of the API, from catalogue.json."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Literal

Kind = Literal["video", "image", "audio"]

# For the types whose median the vendor does not publish: our guess, in seconds.
UNPUBLISHED_MEDIAN: Mapping[Kind, float] = {"video": 120.0, "image": 15.0, "audio": 30.0}


@dataclass(frozen=True, slots=True)
class CreateEndpoint:
    """One way to create a project.

    median_seconds: the typical time from create to complete, the queue included.
    credits: the price of a video's frame, an image, or a second of audio (see create_request.py).
    """

    path: str
    kind: Kind
    type: str
    required: tuple[str, ...]
    median_seconds: float
    credits: float


def _load() -> Mapping[str, CreateEndpoint]:
    entries = json.loads(files(__package__).joinpath("catalogue.json").read_text(encoding="utf-8"))
    endpoints = (
        CreateEndpoint(
            path=entry["path"],
            kind=entry["kind"],
            type=entry["type"],
            required=tuple(entry["required"]),
            median_seconds=entry["median_seconds"] or UNPUBLISHED_MEDIAN[entry["kind"]],
            credits=entry["credits"],
        )
        for entry in entries
    )
    return MappingProxyType({endpoint.path: endpoint for endpoint in endpoints})


CATALOGUE: Mapping[str, CreateEndpoint] = _load()
"""Every create endpoint by its path, videos first."""
