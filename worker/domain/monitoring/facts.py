"""The facts that health is judged by, and the definitions of alive, late and overdue."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

# A project is overdue when its check has been due for longer than this, leased or not. All times here are seconds.
OVERDUE_AFTER: Final = 120.0
# A recurring job is alive while its heartbeat is newer than this; beat sends dispatch at least every 10 s.
SILENT_AFTER: Final = 30.0
# Checks that were claimed but not completed for this long have stopped.
NO_CHECK_AFTER: Final = 30.0
# A delivery that is due for this long without an attempt is late; the sweep runs every 10 s.
UNDELIVERED_AFTER: Final = 60.0
# A destination is failing once its circuit has been open, with events waiting, for this long: not just a restart.
DESTINATION_FAILS_AFTER: Final = 300.0
# An account gets no usable answers when the checks of at least this many projects, and of all, have failed this long.
NO_ANSWER_AFTER: Final = 60.0
FAILING_NEEDED: Final = 3
# With fewer ends than this in an hour, the mean is not meaningful.
ENDS_NEEDED: Final = 20
# Webhooks of an account have stopped when so many of its renders ended after the last one, which is older than this. If
# none came for a week, they are taken to be given up.
WEBHOOKS_MISSED: Final = 20
NO_WEBHOOK_AFTER: Final = 600.0
WEBHOOKS_FORGOTTEN_AFTER: Final = 7 * 86400.0
# Counts of stored rows stop here.
MOST_COUNTED: Final = 10_000


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """An account: whether and why it is paused, and which of its projects wait.

    ``has_key`` is false if no worker has its key; ``was_answered`` says whether it ever worked.
    ``due`` and ``overdue`` stop at 10,000; ``unclaimed_since`` is when the oldest unleased one came due. ``failing`` is
    how many projects have had no usable answer for NO_ANSWER_AFTER, if no recently checked one has; 0 if one has.
    ``missed_webhooks`` is how many renders (at most WEBHOOKS_MISSED) ended since its last webhook, if it had one.
    """

    name: str
    has_key: bool
    was_answered: bool = False
    is_paused: bool = False
    paused_until: datetime | None = None
    pause_reason: str | None = None
    pause_detail: str | None = None
    due: int = 0
    overdue: int = 0
    due_since: datetime | None = None
    unclaimed_since: datetime | None = None
    failing: int = 0
    failing_since: datetime | None = None
    last_webhook: datetime | None = None
    missed_webhooks: int = 0

    @property
    def is_asked(self) -> bool:
        """Whether requests are sent for it: it has a key and is not paused."""
        return self.has_key and not self.is_paused


@dataclass(frozen=True, slots=True)
class FailingDestination:
    """A destination with an open circuit, for which deliveries wait (``waiting`` stops at 10,000)."""

    name: str
    since: datetime
    error: str | None
    waiting: int


@dataclass(frozen=True, slots=True)
class PausedDestination:
    """A destination that an operator paused: no failure, but its events wait (``waiting`` stops at 10,000)."""

    name: str
    since: datetime | None
    by: str | None
    reason: str | None
    waiting: int


@dataclass(frozen=True, slots=True)
class JobHeartbeat:
    """When a recurring job last ran, and what kept it from its work then."""

    at: datetime | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """The state of the system at one moment. Counts stop at 10,000.

    ``beat_problem`` is why beat last failed to send, ``intake_problem`` why a worker recently failed to read
    the intake queue. ``track_requests`` are those sent in SQL that wait, ``locked_track_requests`` those of them
    that could not be stored.
    """

    now: datetime
    accounts: Sequence[AccountFacts] = ()
    active: int = 0
    settling: int = 0
    stalled: int = 0
    stalled_since: datetime | None = None
    unstarted_leases: int = 0
    started_leases: int = 0
    last_beat: datetime | None = None
    beat_problem: str | None = None
    last_dispatch: datetime | None = None
    last_check: datetime | None = None
    last_intake: datetime | None = None
    intake_problem: str | None = None
    track_requests: int = 0
    locked_track_requests: int = 0
    pending_deliveries: int = 0
    undelivered_since: datetime | None = None
    failing_destinations: Sequence[FailingDestination] = ()
    paused_destinations: Sequence[PausedDestination] = ()
    dead_deliveries: int = 0
    dead_since: datetime | None = None
    rejected_requests: int = 0
    rejected_since: datetime | None = None
    ends: int = 0
    mean_delay: float | None = None
    target_delay: float = 5.0
    is_read_only: bool = False
    violations: int = 0
    violated_since: datetime | None = None

    @property
    def due(self) -> int:
        """How many checks are due now, of all accounts."""
        return sum(account.due for account in self.accounts)

    @property
    def overdue(self) -> int:
        """How many projects are overdue, of all accounts."""
        return sum(account.overdue for account in self.accounts)

    @property
    def oldest_due(self) -> datetime | None:
        """When the check that has waited longest came due."""
        return min((account.due_since for account in self.accounts if account.due_since), default=None)

    @property
    def paused_accounts(self) -> int:
        """How many accounts are paused."""
        return sum(account.is_paused for account in self.accounts)


def is_alive(heartbeat: datetime | None, now: datetime) -> bool:
    """Whether a recurring job ran recently. A heartbeat from the future (a clock was set back) does not count."""
    return heartbeat is not None and abs((now - heartbeat).total_seconds()) <= SILENT_AFTER


def is_recent_failure(failed_at: datetime | None, now: datetime) -> bool:
    """Whether a worker failed to read the intake queue recently; it tries again every 30 s at least."""
    return failed_at is not None and abs((now - failed_at).total_seconds()) <= 2 * SILENT_AFTER


def late_after(target_delay: float) -> float:
    """Return the seconds after which an unclaimed check is late, given the target delay."""
    return max(10.0, 2 * target_delay)


def recent(now: datetime) -> datetime:
    """Return the time since which rejected requests count: one day."""
    return now - timedelta(days=1)
