"""Parsing a Retry-After header (RFC 9110, section 10.2.3), including the forms that servers really send."""

import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from worker.domain.scheduling.rate_limit import LONGEST_PAUSE

# A number at the start, optionally with a fraction or unit; a comma separates repeated headers.
_SECONDS: Final = re.compile(
    r"\s*\+?([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(?:s|secs?|seconds?)?\s*(?:[,;].*)?", re.IGNORECASE
)


def seconds_of(value: str, now: datetime) -> float | None:
    """Return the whole seconds to wait, at most LONGEST_PAUSE; None where neither a number nor a date can be read."""
    number = _SECONDS.fullmatch(value)
    if number:
        return float(math.ceil(min(LONGEST_PAUSE, float(number[1]))))
    try:
        moment = parsedate_to_datetime(value.strip())
    except (ValueError, OverflowError, IndexError):  # the last two for nonsense dates
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return float(math.ceil(min(LONGEST_PAUSE, max(0.0, (moment - now).total_seconds()))))
