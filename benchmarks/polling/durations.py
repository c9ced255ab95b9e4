"""The families of durations that the trials run on, in seconds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Part:
    """One lognormal or Weibull part of a type: ``share`` of its renders."""

    share: float
    median: float
    spread: float
    weibull: bool = False

    def draw(self, random: Random) -> float:
        """Return one duration."""
        if self.weibull:
            return float(self.median * (-math.log(1 - random.random()) / math.log(2)) ** (1 / self.spread))
        return self.median * math.exp(self.spread * random.gauss(0, 1))

    def ended(self, age: float) -> float:
        """Return the share that has ended by an age."""
        if age <= 0:
            return 0.0
        if self.weibull:
            return 1 - math.exp(-math.log(2) * (age / self.median) ** self.spread)
        return 0.5 * math.erfc(-math.log(age / self.median) / self.spread / math.sqrt(2))


@dataclass(frozen=True)
class Type:
    """A type of render: a mixture of parts."""

    name: str
    parts: tuple[Part, ...]

    def draw(self, random: Random) -> float:
        """Return one duration, in seconds."""
        lot = random.random()
        for part in self.parts:
            lot -= part.share
            if lot < 0:
                return part.draw(random)
        return self.parts[-1].draw(random)

    def ended(self, age: float) -> float:
        """Return the share that has ended by an age."""
        return sum(part.share * part.ended(age) for part in self.parts)

    def scaled(self, factor: float) -> "Type":
        """Return the same type with all durations multiplied."""
        parts = tuple(Part(part.share, part.median * factor, part.spread, part.weibull) for part in self.parts)
        return Type(self.name, parts)


def lognormal(name: str, median: float, spread: float) -> Type:
    """Return a lognormal type."""
    return Type(name, (Part(1.0, median, spread),))


def weibull(name: str, median: float, shape: float) -> Type:
    """Return a Weibull type; a shape over 1 wears out, below 1 has a heavy tail."""
    return Type(name, (Part(1.0, median, shape, weibull=True),))


# Each type in a mix gets equally many projects; one that is named several times, so many times as many.
MIXES: Mapping[str, Sequence[Type]] = {
    "lognormal": [lognormal("image", 20, 0.35), lognormal("short", 60, 0.4), lognormal("long", 240, 0.45)],
    "weibull": [weibull("image", 20, 3), weibull("short", 75, 2), weibull("long", 300, 2.5)],
    "bimodal": [
        Type("short or long", (Part(0.5, 25, 0.3), Part(0.5, 180, 0.3))),
        Type("480p or 4k", (Part(0.7, 60, 0.3), Part(0.3, 400, 0.3))),
    ],
    "heavy tails": [lognormal("image", 15, 1.0), lognormal("video", 90, 1.1), weibull("upscale", 120, 0.8)],
    "fail fast": [
        Type("image", (Part(0.15, 3, 0.4), Part(0.85, 20, 0.35))),
        Type("video", (Part(0.15, 5, 0.5), Part(0.85, 180, 0.4))),
    ],
    # Short renders are more numerous than long ones; the spread is the one that the simulator has by default.
    "mixed, 20 s to 10 min": [
        *[lognormal("image", 20, 0.4)] * 4,
        *[lognormal("talking photo", 60, 0.4)] * 3,
        *[Type("face swap", (Part(0.1, 5, 0.4), Part(0.9, 120, 0.4)))] * 2,
        lognormal("text to video", 300, 0.4),
        lognormal("animation", 600, 0.4),
    ],
}
