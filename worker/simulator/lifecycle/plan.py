"""One project's life, planned at its creation, so that its state at any moment follows from a clock alone."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal

from worker.simulator.lifecycle.catalogue import CreateEndpoint, Kind
from worker.simulator.lifecycle.create_request import ESTIMATED_FPS
from worker.simulator.options import SimulatorOptions

Status = Literal["draft", "queued", "rendering", "complete", "error", "canceled"]
Outcome = Literal["complete", "error", "canceled"]

# How long after the end a late refund comes, in seconds of the real API.
REFUND_DELAY = (20.0, 300.0)
# The frame rates that a corrected video turns out to have: mostly lower than estimated, sometimes higher.
REAL_FPS = (24, 24, 24, 25, 60)

ERRORS: Mapping[Kind, Mapping[str, str]] = {
    "video": {
        "invalid_video_file": "The source video could not be read.",
        "no_source_face": "The source holds no face.",
        "unknown_error": "The render failed for an unknown reason.",
    },
    "image": {
        "invalid_image_file": "The source image could not be read.",
        "no_source_face": "The source holds no face.",
        "unknown_error": "The render failed for an unknown reason.",
    },
    "audio": {
        "invalid_audio_file": "The source audio could not be read.",
        "unknown_error": "The render failed for an unknown reason.",
    },
}


@dataclass(frozen=True, slots=True)
class Moment:
    """From this age on (seconds after creation) a project shows this status and these credits."""

    at: float
    status: Status
    credits_charged: int


@dataclass(frozen=True, slots=True)
class Life:
    """All moments of one project, oldest first: each differs from the one before. `fps` is the real frame rate."""

    moments: tuple[Moment, ...]
    fps: int
    error: str | None

    @property
    def last(self) -> Moment:
        """The moment after which nothing changes any more."""
        return self.moments[-1]

    def at(self, age: float) -> Moment:
        """Return what holds at this age, 0 or more."""
        return next(moment for moment in reversed(self.moments) if moment.at <= age)


def plan(endpoint: CreateEndpoint, price: int, options: SimulatorOptions, random: Random) -> Life:
    """Return the life of a project that costs `price` credits at its creation."""
    outcome = _outcome(endpoint.kind, options, random)
    corrected = endpoint.kind == "video" and random.random() < options.correction_rate
    fps = random.choice(REAL_FPS) if corrected else ESTIMATED_FPS
    starts, total = _starts(endpoint.median_seconds, options, random)
    # Whatever does not complete stops somewhere on the way, a canceled project perhaps still in the queue.
    earliest = starts[-1][0] if outcome == "error" else 0.0
    end = total if outcome == "complete" else random.uniform(earliest, total)
    moments = [Moment(at / options.time_scale, status, price) for at, status in starts if at <= end]
    ending = (
        [(end, round(price * fps / ESTIMATED_FPS))] if outcome == "complete" else _refund(end, price, options, random)
    )
    moments += [Moment(at / options.time_scale, outcome, credits_charged) for at, credits_charged in ending]
    error = random.choice(tuple(ERRORS[endpoint.kind])) if outcome == "error" else None
    return Life(tuple(moments), fps, error)


def _outcome(kind: Kind, options: SimulatorOptions, random: Random) -> Outcome:
    lot = random.random()
    if lot < options.failure_rate:
        return "error"
    if lot < options.failure_rate + options.cancel_rate and kind != "image":
        return "canceled"
    return "complete"


def _starts(median: float, options: SimulatorOptions, random: Random) -> tuple[list[tuple[float, Status]], float]:
    """Return when each running status starts, and the age at completion, in seconds of the real API."""
    total = median * math.exp(options.spread * random.gauss(0, 1))
    rendering = total * random.uniform(0.05, 0.35)
    if random.random() < options.draft_rate:
        return [(0.0, "draft"), (rendering * random.uniform(0.1, 0.5), "queued"), (rendering, "rendering")], total
    return [(0.0, "queued"), (rendering, "rendering")], total


def _refund(end: float, price: int, options: SimulatorOptions, random: Random) -> list[tuple[float, int]]:
    """Return the credits from the end on: given back with the status, some time later, or never."""
    lot = random.random()
    delay = random.uniform(*REFUND_DELAY)
    if lot < options.no_refund_rate:
        return [(end, price)]
    if lot < options.no_refund_rate + options.late_refund_rate and price:
        return [(end, price), (end + delay, 0)]
    return [(end, 0)]
