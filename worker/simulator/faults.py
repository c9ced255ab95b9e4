"""How the simulator misbehaves when it is asked to: which faults there are, how often, and which request gets which."""

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
    "404",
    "html",
    "broken_json",
    "wrong_id",
    "missing_field",
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
    """What goes wrong with requests for projects; a wrong value is refused with a ValueError that names it.

    rates: the share of the requests that meet each fault. "flapping" is the share of the time in which the API is
        down: in a spell of `spell_seconds` every answer is a 503, or none is.
    retry_after: seconds that a 429 asks to wait, as a number or as a date.
    slow_seconds: how long a slow answer takes.
    """

    rates: Mapping[str, float] = field(default_factory=dict)
    retry_after: int = 2
    slow_seconds: float = 20.0
    spell_seconds: float = 5.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
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
    """Raise ValueError for a name that is no fault's."""
    if name not in FAULTS:
        raise ValueError(f"there is no fault {name}; there are: {', '.join(FAULTS)}")


class Misfortune:
    """Deals out faults: those that were scripted for the next requests, then those of the dice."""

    def __init__(self, faults: Faults, seed: int, clock: Callable[[], float]) -> None:
        """Start with these faults; the same seed and the same requests in the same order meet the same ones."""
        self.faults = faults
        self.met: Counter[str] = Counter()
        self._seed = seed
        self._clock = clock
        self._random = Random(f"{seed}:faults")  # noqa: S311 - chance for a simulation, no secret
        self._scripted: deque[Fault] = deque()

    def become(self, faults: Faults, script: Sequence[str]) -> None:
        """Forget what was scripted, and deal out these from now on. Raises ValueError as script() does."""
        waiting = self._scripted
        self._scripted = deque()
        try:
            self.script(script)
        except ValueError:
            self._scripted = waiting
            raise
        self.faults = faults

    def script(self, faults: Sequence[str]) -> None:
        """Let the next requests meet these faults, one each. Raises ValueError for one that does not exist."""
        for name in faults:
            demand_fault(name)
        if len(self._scripted) + len(faults) > MOST_SCRIPTED:
            raise ValueError(f"at most {MOST_SCRIPTED} faults can wait for their requests")
        self._scripted.extend(_as_fault(name) for name in faults)

    @property
    def waiting(self) -> int:
        """How many scripted faults have not met their request yet."""
        return len(self._scripted)

    def next(self) -> Fault | None:
        """Return what the request that has just come in meets, and count it."""
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
