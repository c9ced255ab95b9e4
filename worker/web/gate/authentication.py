"""Authentication: a bearer token for the API, a cookie for pages. Results are cached for a few seconds."""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.types import Scope as AsgiScope

from worker.domain.access_tokens import fingerprint, is_token
from worker.store import access_tokens
from worker.store.access_tokens import Caller
from worker.store.engine import Database, StoreUnavailableError
from worker.web.gate.proxies import root_path_of

# Seconds for which a revoked token or closed session remains usable in other processes. Open requests end up to a
# second later: within the five seconds that docs/api.md promises.
REMEMBERED: Final = 4.0
_MOST: Final = 10_000
# Concurrent lookups of unknown secrets, so that a flood of wrong ones leaves threads for other requests.
_LOOKUPS: Final = 8
_LONGEST_COOKIE: Final = 100
PLAIN_COOKIE: Final = "renderwatch"
# With these prefixes, browsers refuse the cookie without Secure. The first also forbids a Domain and any path but
# /, so it cannot be used below a path.
SECURE_COOKIE: Final = "__Host-renderwatch"
SECURE_COOKIE_BELOW_PATH: Final = "__Secure-renderwatch"


class Identities:
    """Finds the caller of a request in the database."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with an empty cache."""
        self._database = database
        self._clock = clock
        self._known: OrderedDict[str, tuple[Caller, float]] = OrderedDict()
        self._wrong: OrderedDict[str, float] = OrderedDict()
        self._lookups = asyncio.Semaphore(_LOOKUPS)

    async def of_token(self, header: str) -> Caller | None:
        """Return the caller with the token of an Authorization header."""
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not is_token(token.strip()):
            return None
        return await self._remembered("token", token.strip(), self.check_token)

    async def of_cookie(self, cookie: str | None) -> Caller | None:
        """Return the caller who is logged in with a cookie."""
        if not cookie or len(cookie) > _LONGEST_COOKIE:
            return None
        return await self._remembered("cookie", cookie, self._find_session)

    def check_token(self, token: str) -> Caller | None:
        """Return the caller with this token, and record its use."""
        if not is_token(token):
            return None
        with self._database.read() as connection:
            caller = access_tokens.find_token(connection, token)
        if caller:
            # Reading works even if the database is read-only.
            with contextlib.suppress(StoreUnavailableError), self._database.write() as connection:
                access_tokens.note_use(connection, caller.token_id)
        return caller

    def forget(self, cookie: str) -> None:
        """Remove a cookie from the cache."""
        self._known.pop("cookie" + fingerprint(cookie), None)

    def _find_session(self, cookie: str) -> Caller | None:
        with self._database.read() as connection:
            return access_tokens.find_session(connection, cookie)

    async def _remembered(self, what: str, secret: str, find: Callable[[str], Caller | None]) -> Caller | None:
        key = what + fingerprint(secret)
        async with self._lookups if self._remembers(key) is None else contextlib.nullcontext():
            remembered = self._remembers(key)
            if remembered is None:
                remembered = (await run_in_threadpool(find, secret),)
                self._remember(key, remembered[0])
        return remembered[0]

    def _remembers(self, key: str) -> tuple[Caller | None] | None:
        """Return the cached caller of a secret (which may be nobody), or None if it is not cached."""
        if self._wrong.get(key, 0.0) > self._clock():
            return (None,)
        caller, until = self._known.get(key, (None, 0.0))
        return (caller,) if until > self._clock() else None

    def _remember(self, key: str, caller: Caller | None) -> None:
        """Cache the caller of a secret. Wrong ones are cached separately, so that a flood evicts no valid one."""
        self._known.pop(key, None)
        self._wrong.pop(key, None)
        until = self._clock() + REMEMBERED
        if caller:
            self._known[key] = (caller, until)
        else:
            self._wrong[key] = until
        for memory in (self._known, self._wrong):
            if len(memory) > _MOST:
                memory.popitem(last=False)


def cookie_name(scope: AsgiScope) -> str:
    """Return the name of the session's cookie: over HTTPS with a prefix that browsers enforce."""
    if scope.get("scheme") != "https":
        return PLAIN_COOKIE
    return SECURE_COOKIE_BELOW_PATH if root_path_of(scope) else SECURE_COOKIE


def cookie_path(scope: AsgiScope) -> str:
    """Return the path for which the session's cookie is sent."""
    return root_path_of(scope) or "/"


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
    """Return the CSRF token of a form, which only a client with the cookie can know."""
    return fingerprint("csrf:" + cookie)
