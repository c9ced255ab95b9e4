"""The kinds, statuses and tracking states of projects.

Kinds and states are fixed. Statuses are the vendor's, and may grow: an unknown one counts as running.
"""

from typing import Final, Literal, get_args

Kind = Literal["video", "image", "audio"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

State = Literal["active", "settling", "closed"]
STATES: Final[tuple[State, ...]] = get_args(State)

CloseReason = Literal["settled", "missing", "deleted", "expired", "untracked"]
CLOSE_REASONS: Final[tuple[CloseReason, ...]] = get_args(CloseReason)

Source = Literal["create", "poll", "settle", "hint"]
SOURCES: Final[tuple[Source, ...]] = get_args(Source)

RUNNING: Final = frozenset({"draft", "queued", "rendering"})
# Rendering has not started.
WAITING: Final = frozenset({"draft", "queued"})
TERMINAL: Final = frozenset({"complete", "error", "canceled"})


def is_terminal(status: str | None) -> bool:
    """Whether nothing more will be rendered. An unknown status counts as running."""
    return status in TERMINAL


def is_known(status: str) -> bool:
    """Whether the vendor documents this status."""
    return status in RUNNING or status in TERMINAL
