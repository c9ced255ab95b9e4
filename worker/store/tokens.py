"""Tokens and the browser sessions that begin with one. Neither is kept, only its fingerprint."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, delete, exists, insert, or_, select, update

from worker.domain.tokens import PREFIX, Scope, fingerprint, in_order
from worker.store.engine import clock
from worker.store.identity import new_secret
from worker.store.models import ApiToken, WebSession

# A busy token's time of last use is written this seldom.
_USED_EVERY: Final = timedelta(minutes=1)
_LONGEST_ACTOR: Final = 200


class NameTakenError(ValueError):
    """A valid token of that name exists already."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a token that is valid now, and what it may do."""

    token_id: int
    name: str
    scopes: frozenset[str]

    def may(self, scope: Scope) -> bool:
        """Whether the token has this scope."""
        return scope in self.scopes


def create_token(
    connection: Connection, name: str, scopes: Sequence[str], created_by: str, lifetime: timedelta | None = None
) -> str:
    """Make a token and return it, for the only time. Raises NameTakenError."""
    now = clock(connection)
    if connection.scalar(select(exists().where(ApiToken.name == name, _valid(now)))):
        raise NameTakenError(f"there is a token {name!r} already; revoke it, or choose another name")
    token = PREFIX + new_secret()
    row = {
        "name": name,
        "token_hash": fingerprint(token),
        "scopes": in_order(scopes),
        "created_at": now,
        "created_by": created_by[:_LONGEST_ACTOR],
        "expires_at": now + lifetime if lifetime else None,
    }
    connection.execute(insert(ApiToken), [row])
    return token


def revoke_token(connection: Connection, name: str) -> bool:
    """Make a token, and every session that began with it, worth nothing. Returns whether there was a valid one."""
    now = clock(connection)
    ids = list(connection.scalars(select(ApiToken.id).where(ApiToken.name == name, _valid(now))))
    connection.execute(delete(WebSession).where(WebSession.token_id.in_(ids)))
    connection.execute(update(ApiToken).where(ApiToken.id.in_(ids)).values(revoked_at=now))
    return bool(ids)


def list_tokens(connection: Connection, limit: int = 500) -> list[dict[str, Any]]:
    """Return the tokens, the latest first, without what would help to use them."""
    now = clock(connection)
    statement = select(ApiToken.__table__).order_by(ApiToken.id.desc()).limit(limit)
    rows = connection.execute(statement).mappings()
    return [{**_shown(row), "is_valid": _is_valid(row, now)} for row in rows]


def any_token(connection: Connection) -> bool:
    """Whether anybody could log in."""
    return bool(connection.scalar(select(exists().where(_valid(clock(connection))))))


def find_token(connection: Connection, token: str) -> Caller | None:
    """Return whose token this is, if it is valid."""
    found = select(ApiToken.id, ApiToken.name, ApiToken.scopes).where(
        ApiToken.token_hash == fingerprint(token), _valid(clock(connection))
    )
    row = connection.execute(found).one_or_none()
    return Caller(row.id, row.name, frozenset(row.scopes)) if row else None


def note_use(connection: Connection, token_id: int) -> None:
    """Remember that a token was used, to the minute."""
    now = clock(connection)
    stale = or_(ApiToken.last_used_at.is_(None), ApiToken.last_used_at < now - _USED_EVERY)
    connection.execute(update(ApiToken).where(ApiToken.id == token_id, stale).values(last_used_at=now))


def open_session(connection: Connection, token_id: int, lifetime: timedelta) -> str:
    """Begin a session and return its cookie, for the only time. Sessions that are over are removed."""
    now = clock(connection)
    cookie = new_secret()
    connection.execute(delete(WebSession).where(WebSession.expires_at <= now))
    row = {"cookie_hash": fingerprint(cookie), "token_id": token_id, "created_at": now, "expires_at": now + lifetime}
    connection.execute(insert(WebSession), [row])
    return cookie


def find_session(connection: Connection, cookie: str) -> Caller | None:
    """Return who is logged in with this cookie, if the session and its token are still valid."""
    now = clock(connection)
    found = (
        select(ApiToken.id, ApiToken.name, ApiToken.scopes)
        .join(WebSession, WebSession.token_id == ApiToken.id)
        .where(WebSession.cookie_hash == fingerprint(cookie), WebSession.expires_at > now, _valid(now))
    )
    row = connection.execute(found).one_or_none()
    return Caller(row.id, row.name, frozenset(row.scopes)) if row else None


def close_session(connection: Connection, cookie: str) -> None:
    """End a session."""
    connection.execute(delete(WebSession).where(WebSession.cookie_hash == fingerprint(cookie)))


def _valid(now: datetime) -> ColumnElement[bool]:
    return and_(ApiToken.revoked_at.is_(None), or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > now))


def _is_valid(row: RowMapping, now: datetime) -> bool:
    return bool(row["revoked_at"] is None and (row["expires_at"] is None or row["expires_at"] > now))


def _shown(row: RowMapping) -> dict[str, Any]:
    return {str(key): value for key, value in row.items() if key not in ("id", "token_hash")}
