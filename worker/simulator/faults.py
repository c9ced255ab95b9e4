"""Fault injection: which faults exist, how often they occur, and which request gets which."""

import math
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final, Literal, get_args

Fault = Literal[
    "500",
    "503",
    "429_seconds",
    "429_date",
    "403",
    "404",
    "html",
    "broken_json",
    "wrong_id",
    "missing_field",
    "odd_fields",
    "long_type",
    "oversized",
    "redirect",
    "dropped",
    "slow",
    "flapping",
]
FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)
MOST_SCRIPTED: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The faults of requests for projects. Raises ValueError, which names the field, for an invalid value.

    rates: the share of the requests that meet each fault. "flapping" is the share of the time in which the API is
        down: in a spell of `spell_seconds` every answer is a 503, or none is.
    retry_after: the Retry-After of a 429, as seconds or as a date.
    slow_seconds: how long a slow response takes.
    """

    rates: Mapping[str, float] = field(default_factory=dict)
    retry_after: int = 2
    slow_seconds: float = 20.0
    spell_seconds: float = 5.0

    def __post_init__(self) -> None:
        """Validate the values."""
        for name, rate in self.rates.items():
            demand_fault(name)
            if not (isinstance(rate, int | float) and 0 <= rate <= 1):
                raise ValueError(f"the rate of {name} must be between 0 and 1, not {rate}")
        if sum(rate for name, rate in self.rates.items() if name != "flapping") > 1:
            raise ValueError("the rates of all faults but flapping must not exceed 1 together")
        for name in ("retry_after", "slow_seconds", "spell_seconds"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and 0 < value < math.inf):
                raise ValueError(f"{name} must be greater than 0, not {value}")


def demand_fault(name: str) -> None:
    """Raise ValueError for an unknown fault."""
    if name not in FAULTS:
        raise ValueError(f"there is no fault {name}; there are: {', '.join(FAULTS)}")


class Misfortune:
    """Assigns faults to requests: first the scripted ones, then random ones."""

    def __init__(self, faults: Faults, seed: int, clock: Callable[[], float]) -> None:
        """Start with these faults; the same seed and the same sequence of requests give the same faults."""
        self.faults = faults
        self.met: Counter[str] = Counter()
        self._seed = seed
        self._clock = clock
        self._random = Random(f"{seed}:faults")  # noqa: S311 - chance for a simulation, no secret
        self._scripted: deque[Fault] = deque()
        # Projects that are refused (403) for as long as they are in here, and whether all paths are wrong (404).
        self.refused: set[str] = set()
        self.is_misplaced = False

    def become(self, faults: Faults, script: Sequence[str]) -> None:
        """Discard the script and use these faults from now on. Raises ValueError as script() does."""
        waiting = self._scripted
        self._scripted = deque()
        try:
            self.script(script)
        except ValueError:
            self._scripted = waiting
            raise
        self.faults = faults

    def script(self, faults: Sequence[str]) -> None:
        """Script one fault for each of the next requests. Raises ValueError for an unknown fault."""
        for name in faults:
            demand_fault(name)
        if len(self._scripted) + len(faults) > MOST_SCRIPTED:
            raise ValueError(f"at most {MOST_SCRIPTED} faults can wait for their requests")
        self._scripted.extend(_as_fault(name) for name in faults)

    @property
    def waiting(self) -> int:
        """The number of scripted faults that are left."""
        return len(self._scripted)

    def next(self) -> Fault | None:
        """Return the fault of the current request, and count it."""
        fault = self._scripted.popleft() if self._scripted else self._dice()
        if fault is not None:
            self.met[fault] += 1
        return fault

    def pick(self, count: int) -> int:
        """Return a number below `count`: which of several forms a fault takes."""
        return self._random.randrange(count)

    def _dice(self) -> Fault | None:
        if self._down():
            return "flapping"
        lot = self._random.random()
        for fault in FAULTS:
            if fault != "flapping":
                lot -= self.faults.rates.get(fault, 0.0)
                if lot < 0:
                    return fault
        return None

    def _down(self) -> bool:
        share = self.faults.rates.get("flapping", 0.0)
        if not share:
            return False
        spell = int(self._clock() / self.faults.spell_seconds)
        return Random(f"{self._seed}:{spell}").random() < share  # noqa: S311 - as above


def _as_fault(name: str) -> Fault:
    return next(fault for fault in FAULTS if fault == name)
