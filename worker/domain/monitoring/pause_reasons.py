"""The reasons for which accounts pause, in words, and the remedy for each."""

from collections.abc import Mapping
from typing import Final

from worker.domain.intake.identifiers import key_variable
from worker.domain.projects.observation import FailureKind

# Pause reason -> its meaning, and how to fix it.
_PAUSES: Final[Mapping[str, tuple[str, str]]] = {
    FailureKind.UNAUTHORIZED: (
        "Magic Hour refuses its API key",
        "correct its key in {variable}, restart the workers, then renderwatch accounts --resume {name}",
    ),
    FailureKind.PAYMENT_REQUIRED: (
        "Magic Hour demands a payment",
        "pay for the account at Magic Hour, then renderwatch accounts --resume {name}",
    ),
    FailureKind.RATE_LIMITED: (
        "Magic Hour reports too many requests",
        "lower RENDERWATCH_RATE if this happens again; it resumes automatically",
    ),
    FailureKind.NOTHING_FOUND: (
        "Magic Hour finds neither its projects nor the account itself",
        "correct MAGIC_HOUR_BASE_URL (without /v1), then renderwatch doctor --only api; it resumes automatically",
    ),
    FailureKind.UNAVAILABLE: (
        "Magic Hour does not respond, or responds with errors",
        "renderwatch doctor --only api; it resumes automatically when the API works again",
    ),
}


def resume_remedy(pause_reason: str | None, account: str) -> str:
    """Return how to resume a paused account."""
    _, remedy = _PAUSES.get(pause_reason or "", ("", "renderwatch accounts --resume {name}"))
    return remedy.format(name=account, variable=key_variable(account))


def why_paused(pause_reason: str | None) -> str:
    """Return why an account is paused, in words."""
    words, _ = _PAUSES.get(pause_reason or "", (pause_reason or "no reason was recorded", ""))
    return words
