"""What Magic Hour says of a project, and what it means for us.

Kinds and states are ours and closed; a status is the vendor's and open: a word we do not know counts as running.
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
# The render has not begun.
WAITING: Final = frozenset({"draft", "queued"})
TERMINAL: Final = frozenset({"complete", "error", "canceled"})


def is_terminal(status: str | None) -> bool:
    """Whether nothing more will be rendered. An unknown status is taken as running, so it is followed further."""
    return status in TERMINAL


def is_known(status: str) -> bool:
    """Whether the vendor's documentation knows this status."""
    return status in RUNNING or status in TERMINAL
