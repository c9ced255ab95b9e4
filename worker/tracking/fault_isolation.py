"""Fault isolation: running a step so that its failure does not stop others."""

import logging
import traceback
from collections.abc import Callable
from typing import Final, TypeVar

from worker.domain.log_events import event
from worker.store.engine import StoreUnavailableError

_log: Final = logging.getLogger(__name__)
_LONGEST_REASON: Final = 300
_MOST_NOTED: Final = 1000
# Steps whose traceback this process has logged; repeated tracebacks would hide everything else.
_noted: Final[set[tuple[str, str]]] = set()

_T = TypeVar("_T")


def attempt(what: str, step: Callable[[], _T]) -> _T | None:
    """Return the result of a step; log any failure but a lost connection, and return None.

    ``what`` names the step for the message "… failed". Raises StoreUnavailableError.
    """
    try:
        return step()
    except StoreUnavailableError:
        raise
    except Exception as error:  # noqa: BLE001  a bad row or a bug of ours: nothing else may suffer from it
        log_failure(what, error)
        return None


def log_failure(what: str, error: Exception) -> str:
    """Log that something failed, with its traceback the first time, and return the reason.

    The driver's own text is left out, because it can hold signed links.
    """
    reason = reason_of(error)
    first = (what, reason) not in _noted and len(_noted) < _MOST_NOTED
    if first:
        _noted.add((what, reason))
    frames = "".join(traceback.format_tb(error.__traceback__))
    _log.error(
        "%s failed: %s%s",
        what,
        reason,
        f"\nTraceback (most recent call last):\n{frames}" if first else "",
        extra=event("step_failed", step=what, reason=reason),
    )
    return reason


def reason_of(error: Exception) -> str:
    """Return the first line of an error, bounded: a database driver's further lines contain the row's values."""
    cause = getattr(error, "orig", None) or error
    line = str(cause).strip().partition("\n")[0]
    return f"{type(cause).__name__}: {line}"[:_LONGEST_REASON]
