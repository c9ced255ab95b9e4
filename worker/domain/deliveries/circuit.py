"""The circuit of a destination: while the destination fails it is open, and lets through a probe now and then.

What counts is whether the destination is there: a task that failed on one event, or an endpoint that refused one, shows
that it is.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from worker.domain.scheduling.backoff import backoff

# Consecutive failures that open the circuit.
OPENS_AT: Final = 5
_FIRST_GAP: Final = 2.0
_LONGEST_GAP: Final = 60.0


@dataclass(frozen=True, slots=True)
class Circuit:
    """``failures`` in a row, and since when; ``probes`` since it opened; no attempt before ``open_until``.

    A success resets it.
    """

    failures: int = 0
    probes: int = 0
    failing_since: datetime | None = None
    open_until: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether one attempt at a time is made, as a probe."""
        return self.failures >= OPENS_AT

    def allows(self, now: datetime, limit: int) -> int:
        """Return how many deliveries may be tried now: at most ``limit`` while the circuit is closed."""
        if self.open_until is not None and self.open_until > now:
            return 0
        return min(limit, 1) if self.is_open else limit


def on_failures(circuit: Circuit, count: int, now: datetime, jitter: float) -> Circuit:
    """Count failures of the destination. ``jitter`` is a random number from 0 to 1.

    Those of attempts that were under way when the circuit opened do not keep the first probe waiting longer.
    """
    if count <= 0:
        return circuit
    after = replace(circuit, failures=circuit.failures + count, failing_since=circuit.failing_since or now)
    if after.is_open and not circuit.is_open:
        return replace(after, open_until=_next_probe(after, now, jitter))
    return after


def hold_off(circuit: Circuit, until: datetime) -> Circuit:
    """Hold off until the time that the destination requested."""
    return replace(circuit, open_until=max(until, circuit.open_until or until))


def on_probe(circuit: Circuit, now: datetime, jitter: float) -> Circuit:
    """Plan the probe after one that is made now; if this one succeeds, there is no need for it."""
    if not circuit.is_open:
        return circuit
    after = replace(circuit, probes=circuit.probes + 1)
    return replace(after, open_until=_next_probe(after, now, jitter))


def probe_at_once(circuit: Circuit) -> Circuit:
    """Allow one attempt now, also if the destination asked for a pause; if it fails, the next one waits as before."""
    return replace(circuit, failures=max(circuit.failures, OPENS_AT), open_until=None)


def _next_probe(circuit: Circuit, now: datetime, jitter: float) -> datetime:
    gap = backoff(circuit.probes + 1, base=_FIRST_GAP, limit=_LONGEST_GAP, jitter=jitter)
    return now + timedelta(seconds=gap)
