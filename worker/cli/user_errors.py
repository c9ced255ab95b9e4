"""Errors of the layers below that a user can cause or fix, as one sentence each."""

import errno
import os
import sys
from typing import Final

from worker.embedded.broker import BrokerInUseError, BrokerUnavailableError
from worker.settings import SettingsError
from worker.store.engine import DatabaseError, StoreUnavailableError

_USER_ERRORS: Final = (SettingsError, DatabaseError, StoreUnavailableError, BrokerInUseError, BrokerUnavailableError)


def sentence(error: Exception) -> str | None:
    """Return the message for an error, or None for a bug, which deserves a traceback."""
    if isinstance(error, StoreUnavailableError):
        return f"database unavailable: {error}; run renderwatch doctor for details"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        _discard_output()
        return "the output cannot be written: no space left on the device"
    return str(error) if isinstance(error, _USER_ERRORS) else None


def _discard_output() -> None:
    """Discard unwritten output, or Python reports the error again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
