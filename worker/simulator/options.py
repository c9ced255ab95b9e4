"""The options of a simulator."""

import math
from dataclasses import dataclass, field

from worker.simulator.faults import Faults

RATES = ("failure_rate", "cancel_rate", "late_refund_rate", "no_refund_rate", "correction_rate", "draft_rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorOptions:
    """The options of a simulator. Raises ValueError, which names the field, for an invalid value. Rates are 0 to 1.

    seed: the same seed and the same sequence of creates give the same ids and lifecycles.
    time_scale: how many times faster than the real API everything happens (links still live 24 hours).
    spread: how far durations scatter around the median of their type (sigma of a log-normal; 0 for none).
    failure_rate, cancel_rate: how many projects end that way; the rest complete. Images cannot be canceled.
    late_refund_rate, no_refund_rate: of those, the shares refunded late and never refunded.
    correction_rate: how many videos complete at another frame rate, and price, than estimated.
    draft_rate: how many projects begin as drafts; the real API is not known to do that for API creates.
    max_projects: how many are remembered; beyond it the one that settled first is forgotten, or a create gets a 503.
    api_keys: the accepted keys; None accepts any.
    faults: the injected faults; none by default.
    account_credits: the account's initial balance. Creates are accepted even when it runs out.
    """

    seed: int = 0
    time_scale: float = 1.0
    spread: float = 0.4
    failure_rate: float = 0.05
    cancel_rate: float = 0.02
    late_refund_rate: float = 0.5
    no_refund_rate: float = 0.05
    correction_rate: float = 0.5
    draft_rate: float = 0.0
    max_projects: int = 100_000
    api_keys: frozenset[str] | None = field(default=None, repr=False)
    faults: Faults = field(default_factory=Faults)
    account_credits: int = 1_000_000_000

    def __post_init__(self) -> None:
        """Validate the values."""
        for name in RATES:
            _demand(0 <= getattr(self, name) <= 1, f"{name} must be between 0 and 1, not {getattr(self, name)}")
        for first, second in (("failure_rate", "cancel_rate"), ("late_refund_rate", "no_refund_rate")):
            total = getattr(self, first) + getattr(self, second)
            _demand(total <= 1, f"{first} and {second} must not exceed 1 together, but are {total:g}")
        _demand(0 < self.time_scale < math.inf, f"time_scale must be greater than 0, not {self.time_scale}")
        _demand(0 <= self.spread < math.inf, f"spread must be 0 or greater, not {self.spread}")
        _demand(self.max_projects >= 1, f"max_projects must be 1 or greater, not {self.max_projects}")
        _demand(self.account_credits >= 0, f"account_credits must be 0 or greater, not {self.account_credits}")
        if self.api_keys is not None:
            # A plain string would be taken for a collection of one-letter keys.
            usable = isinstance(self.api_keys, frozenset) and self.api_keys and all(self.api_keys)
            _demand(bool(usable), "api_keys must be a frozenset of at least one non-empty key, or None to accept any")


def _demand(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads like an assertion at its only callers
    if not holds:
        raise ValueError(otherwise)
