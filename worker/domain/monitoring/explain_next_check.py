"""Why a project is not being checked now, when its next check is, and what would change that."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from worker.domain.intake.identifiers import key_variable
from worker.domain.monitoring.broker_remedy import broker_remedy
from worker.domain.monitoring.facts import is_alive
from worker.domain.monitoring.finding import START_BEAT, START_WORKER
from worker.domain.monitoring.pause_reasons import resume_remedy
from worker.domain.projects.project import Project
from worker.domain.scheduling.rate_limit import is_paused
from worker.formatting import counted, duration

# Dispatch runs every second; a check that has been due for less time only waits for its turn.
_TURN: Final = 5.0
# A worker starts a batch within a second or two.
_STARTED_WITHIN: Final = 10.0

Code = Literal[
    "closed", "being_checked", "not_started", "account_without_key", "account_paused", "dispatch_down", "next_dispatch",
    "rate_limit", "workers_busy", "back_off", "settling", "stalled", "planned"
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Situation:
    """What decides when a project is checked, apart from the project itself.

    ``tokens`` are the requests that its account may send now, ``rate`` how many it earns each second; ``due`` counts
    the account's due checks. ``has_key`` is true if it is not known. ``claimed_at`` and ``is_begun`` are of its lease.
    """

    now: datetime
    next_check_at: datetime | None
    has_key: bool = True
    paused_until: datetime | None = None
    pause_reason: str | None = None
    pause_detail: str | None = None
    last_beat: datetime | None = None
    beat_problem: str | None = None
    last_dispatch: datetime | None = None
    claimed_at: datetime | None = None
    leased_until: datetime | None = None
    is_begun: bool = False
    tokens: float = 1.0
    rate: float = 1.0
    due: int = 0


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason, in words that follow "waits for", and what would change it. ``code`` is for programs."""

    code: Code
    words: str
    remedy: str


@dataclass(frozen=True, slots=True)
class NextCheck:
    """When a project is checked next (None: never, or being checked now for the last time), and why not now."""

    at: datetime | None
    reasons: Sequence[Reason]

    @property
    def waits_for(self) -> str:
        """What the check waits for, in words."""
        return "; and ".join(reason.words for reason in self.reasons)

    @property
    def remedy(self) -> str:
        """What would change that: of the reason that matters most, the last one."""
        return self.reasons[-1].remedy


def explain_next_check(project: Project, situation: Situation) -> NextCheck:
    """Return when a project is checked next, and every reason why it is not being checked now."""
    at, now = situation.next_check_at, situation.now
    recheck = f"renderwatch recheck {project.project_id}"
    if at is None and project.closed:
        words = f"nothing, it is closed ({project.close_reason})"
        return NextCheck(None, [Reason("closed", words, f"{recheck} checks it once more")])
    if situation.leased_until is not None and situation.leased_until > now:
        return NextCheck(at, [_leased(situation)])
    blockers = list(_blockers(project, situation))
    if at is None or at > now:
        return NextCheck(at, [_planned(project, recheck), *blockers])
    return NextCheck(at, blockers or [_due(situation, (now - at).total_seconds())])


def _leased(situation: Situation) -> Reason:
    if situation.is_begun or situation.claimed_at is None:
        return Reason("being_checked", "a response, it is being checked", "nothing: the response is recorded at once")
    waited = (situation.now - situation.claimed_at).total_seconds()
    if waited < _STARTED_WITHIN:
        return Reason("being_checked", "a worker, which has just been told to check it", "nothing: it starts at once")
    words = f"a worker to start its check, which was dispatched {duration(waited)} ago"
    return Reason("not_started", words, f"{START_WORKER}; renderwatch doctor --only broker")


def _blockers(project: Project, situation: Situation) -> Iterator[Reason]:
    account = project.account
    if not situation.has_key:
        variable = key_variable(account)
        words = f"an API key: account {account!r} has none in {variable}"
        yield Reason("account_without_key", words, f"set its key in {variable} and restart the workers")
    if is_paused(situation.paused_until, situation.pause_reason, situation.now):
        why = f": {situation.pause_detail}" if situation.pause_detail else ""
        words = f"its account, which is paused ({situation.pause_reason}{why})"
        yield Reason("account_paused", words, resume_remedy(situation.pause_reason, account))
    if not is_alive(situation.last_dispatch, situation.now):
        yield _dispatch_down(situation)


def _dispatch_down(situation: Situation) -> Reason:
    if situation.last_dispatch is None:
        ran = "has never run"
    else:
        ran = f"last ran {duration((situation.now - situation.last_dispatch).total_seconds())} ago"
    if not is_alive(situation.last_beat, situation.now):
        return Reason("dispatch_down", f"dispatch, which {ran}: no beat runs", START_BEAT)
    if situation.beat_problem:
        words = f"dispatch, which {ran}: beat cannot send to the broker: {situation.beat_problem}"
        return Reason("dispatch_down", words, broker_remedy(situation.beat_problem))
    words = f"dispatch, which {ran}: beat runs, but no worker runs what it sends"
    return Reason("dispatch_down", words, f"{START_WORKER}; renderwatch doctor --only broker")


def _due(situation: Situation, waited: float) -> Reason:
    """Return what a due project waits for if nothing blocks it."""
    if waited < _TURN:
        return Reason("next_dispatch", "the next dispatch, within a second or two", "nothing: it is checked at once")
    if situation.tokens < 1:
        words = (
            f"room in the rate limit of its account, which has {counted(situation.due, 'due check')} and may send"
            f" {situation.rate:g} requests a second"
        )
        return Reason("rate_limit", words, "raise RENDERWATCH_RATE and RENDERWATCH_BURST, if Magic Hour permits more")
    words = "a worker to be free: as many checks are under way as the workers or RENDERWATCH_BURST allow"
    return Reason("workers_busy", words, f"{START_WORKER}; or raise RENDERWATCH_BURST")


def _planned(project: Project, recheck: str) -> Reason:
    """Return why the next check is at its time and not now."""
    remedy = f"{recheck} checks it now"
    if project.last_problem and project.failure_count:
        checks = "a failed check" if project.failure_count == 1 else f"{project.failure_count} failed checks"
        words = f"its back-off to end after {checks} ({project.last_problem}: {project.last_problem_detail})"
        return Reason("back_off", words + ("; it is stalled" if project.is_stalled else ""), remedy)
    if project.state == "settling":
        return Reason("settling", "its credits to settle", remedy)
    if project.is_stalled:
        words = "its time; it has been running so long that it is checked less often"
        return Reason("stalled", words, f"{remedy}; renderwatch untrack {project.project_id} gives it up")
    return Reason("planned", "its time", remedy)
