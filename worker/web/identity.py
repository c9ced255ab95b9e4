"""Who asks: a bearer token for the API, a cookie for the pages. What was found is remembered for a few seconds."""

import time
from collections import OrderedDict
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.types import Scope as AsgiScope

from worker.domain.tokens import fingerprint, is_token
from worker.store import tokens
from worker.store.engine import Database
from worker.store.tokens import Caller

# So long a token that was revoked, or a session that was closed elsewhere, can still be used.
REMEMBERED: Final = 5.0
_MOST: Final = 10_000
_LONGEST_COOKIE: Final = 100
PLAIN_COOKIE: Final = "renderwatch"
# The prefix makes browsers refuse it without Secure, with a Domain, or for less than the whole site.
SECURE_COOKIE: Final = "__Host-renderwatch"


class Identities:
    """Finds the caller of a request in the database."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        """Remember where to look."""
        self._database = database
        self._clock = clock
        self._known: OrderedDict[str, tuple[Caller | None, float]] = OrderedDict()

    async def of_token(self, header: str) -> Caller | None:
        """Return whose token an Authorization header has."""
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not is_token(token.strip()):
            return None
        return await self._remembered("token", token.strip(), self.check_token)

    async def of_cookie(self, cookie: str | None) -> Caller | None:
        """Return who is logged in with a cookie."""
        if not cookie or len(cookie) > _LONGEST_COOKIE:
            return None
        return await self._remembered("cookie", cookie, self._find_session)

    def check_token(self, token: str) -> Caller | None:
        """Return whose token this is, and note that it was used."""
        if not is_token(token):
            return None
        with self._database.read() as connection:
            caller = tokens.find_token(connection, token)
        if caller:
            with self._database.write() as connection:
                tokens.note_use(connection, caller.token_id)
        return caller

    def forget(self, cookie: str) -> None:
        """Look again the next time."""
        self._known.pop("cookie" + fingerprint(cookie), None)

    def _find_session(self, cookie: str) -> Caller | None:
        with self._database.read() as connection:
            return tokens.find_session(connection, cookie)

    async def _remembered(self, what: str, secret: str, find: Callable[[str], Caller | None]) -> Caller | None:
        key = what + fingerprint(secret)
        known = self._known.get(key)
        if known and known[1] > self._clock():
            return known[0]
        caller = await run_in_threadpool(find, secret)
        self._known[key] = (caller, self._clock() + REMEMBERED)
        self._known.move_to_end(key)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
        return caller


def cookie_name(scope: AsgiScope) -> str:
    """Return the name of the session's cookie: over HTTPS it is one that browsers guard better."""
    return SECURE_COOKIE if scope.get("scheme") == "https" else PLAIN_COOKIE


def cookie_of(scope: AsgiScope) -> str | None:
    """Return the session's cookie of a request."""
    for name, value in scope["headers"]:
        if name == b"cookie":
            try:
                found = SimpleCookie(value.decode("latin-1")).get(cookie_name(scope))
            except CookieError:
                return None
            return found.value if found else None
    return None


def csrf_of(cookie: str) -> str:
    """Return what a form must carry: nobody can know it who does not know the cookie."""
    return fingerprint("csrf:" + cookie)
