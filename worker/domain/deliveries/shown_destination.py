"""How destinations are shown to people and in logs: the path of a webhook URL may hold a token."""

import re
from hashlib import sha256
from typing import Final

from worker.domain.deliveries.webhook_url import is_webhook

# The first segment of a path, if others follow and it is a plain word such as "services" or "hooks".
_URL: Final = re.compile(r"(?P<host>[^:/]+://[^/]+)/(?P<word>[a-z_-]{1,16}/(?=.))?(?P<rest>.*)", re.DOTALL)
_SHOWN: Final = re.compile(r"[^:/]+://[^/]+/([a-z_-]{1,16}/)?…[0-9a-f]{8}")
_DIGITS: Final = 8


def shown_destination(name: str) -> str:
    """Return a destination as it is shown: a Celery destination as it is, a URL with a digest instead of its path.

    Of two URLs that differ, the digests do too, so that people can tell one from the other.
    """
    found = _URL.fullmatch(name) if is_webhook(name) else None
    if found is None or not found["rest"]:
        return name
    digest = sha256(name.encode()).hexdigest()[:_DIGITS]
    return f"{found['host']}/{found['word'] or ''}…{digest}"


def is_shown_form(text: str) -> bool:
    """Whether a text is a URL as ``shown_destination`` returns it."""
    return _SHOWN.fullmatch(text) is not None
