"""The message after an action: in a signed cookie of a minute, so that no link can make a page say something."""

from hmac import compare_digest
from typing import Final, Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from worker.domain.access_tokens import fingerprint
from worker.web.gate.authentication import cookie_path

Done = Literal["recheck", "untrack", "replay", "pause-destination", "resume-destination", "resume"]
COOKIE: Final = "renderwatch_done"
_LIFETIME: Final = 60
_LONGEST: Final = 100
# The message; the number of items is added.
_WORDS: Final[dict[str, str]] = {
    "recheck": "Due now: they are checked after the next dispatch",
    "untrack": "No longer tracked",
    "replay": "Sent again with the next sweep",
    "pause-destination": "Paused: its events wait until it is resumed",
    "resume-destination": "Resumed: what waits is sent with the next sweep",
    "resume": "Resumed: its projects are checked after the next dispatch",
}


def set_message(answer: Response, scope: Scope, csrf: str, done: Done, count: int) -> None:
    """Let the next page that this session opens report what was done."""
    value = f"{done}.{count}.{_proof(csrf, done, str(count))}"
    secure = scope.get("scheme") == "https"
    path = cookie_path(scope)
    answer.set_cookie(COOKIE, value, _LIFETIME, path=path, secure=secure, httponly=True, samesite="strict")


def read_message(request: Request, csrf: str) -> str | None:
    """Return the message for this session, unless a script asks, which would not show it."""
    if request.headers.get("sec-fetch-mode", "navigate") != "navigate":
        return None
    given = request.cookies.get(COOKIE, "")[:_LONGEST]
    done, _, rest = given.partition(".")
    count, _, proof = rest.partition(".")
    if done not in _WORDS or not compare_digest(proof.encode(), _proof(csrf, done, count).encode()):
        return None
    return f"{_WORDS[done]} ({count})."


def remove_message(answer: Response, scope: Scope) -> None:
    """Remove the message, which was shown."""
    answer.delete_cookie(COOKIE, path=cookie_path(scope), httponly=True, samesite="strict")


def _proof(csrf: str, done: str, count: str) -> str:
    return fingerprint(f"{csrf}:{done}:{count}")[:32]
