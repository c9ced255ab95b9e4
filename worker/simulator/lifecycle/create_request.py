"""What a create request asks for, checked, and what it costs at first."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker.simulator.lifecycle.catalogue import CreateEndpoint

ESTIMATED_FPS = 30
"""The frame rate that a video's price is based on until it is complete."""

USUAL_SECONDS = 5.0
LONGEST_SECONDS = 3600.0
MOST_IMAGES = 100


class CreateRequestError(Exception):
    """A create request that the API would refuse; the message is the answer's."""


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """The facts of a create request that later show in the project or in its price."""

    name: str | None = None
    start_seconds: float = 0
    end_seconds: float = USUAL_SECONDS
    image_count: int = 1
    width: int = -1
    height: int = -1

    def price(self, endpoint: CreateEndpoint) -> int:
        """Return the credits charged at the create: for a video an estimate."""
        if endpoint.kind == "image":
            units: float = self.image_count
        else:
            units = self.end_seconds - self.start_seconds
            units *= ESTIMATED_FPS if endpoint.kind == "video" else 1
        return math.ceil(round(endpoint.credits * units, 6))


def parse(endpoint: CreateEndpoint, body: object) -> CreateRequest:
    """Return the order in the body of a create request; raises CreateRequestError for what the API would not take."""
    if not isinstance(body, Mapping):
        raise CreateRequestError("Missing request body")
    missing = [f"Missing required field: {name}" for name in endpoint.required if name not in body]
    if missing:
        raise CreateRequestError("; ".join(missing))
    start = _number(body, "start_seconds", 0, least=0, most=LONGEST_SECONDS)
    length = _number(body, "duration", USUAL_SECONDS, least=0.1, most=LONGEST_SECONDS)
    end = _number(body, "end_seconds", start + length, least=0.1, most=2 * LONGEST_SECONDS)
    if end <= start:
        raise CreateRequestError("end_seconds must be greater than start_seconds")
    name = body.get("name")
    return CreateRequest(
        name=name if isinstance(name, str) else None,
        start_seconds=start,
        end_seconds=end,
        image_count=int(_number(body, "image_count", 1, least=1, most=MOST_IMAGES)),
        width=int(_number(body, "width", -1, least=-1, most=10_000)),
        height=int(_number(body, "height", -1, least=-1, most=10_000)),
    )


def _number(body: Mapping[str, Any], name: str, default: float, *, least: float, most: float) -> float:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CreateRequestError(f"Invalid type for {name}: expected number")
    if not least <= value <= most:
        raise CreateRequestError(f"{name} must be between {least:g} and {most:g}")
    return value
