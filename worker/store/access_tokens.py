"""API tokens and the browser sessions opened with them. Only their hashes are stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, delete, exists, insert, or_, select, update

from worker.domain.access_tokens import PREFIX, Scope, fingerprint, in_order
from worker.store.engine import clock
from worker.store.ids import new_secret
from worker.store.models import ApiToken, WebSession

# The time of last use is written at most this often.
_USED_EVERY: Final = timedelta(minutes=1)
_LONGEST_ACTOR: Final = 200


class NameTakenError(ValueError):
    """A valid token with that name already exists."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a request: a valid token and its scopes."""

    token_id: int
    name: str
    scopes: frozenset[str]

    def may(self, scope: Scope) -> bool:
        """Whether the token has this scope."""
        return scope in self.scopes


def create_token(
    connection: Connection, name: str, scopes: Sequence[str], created_by: str, lifetime: timedelta | None = None
) -> str:
    """Create a token and return it; it cannot be read again. Raises NameTakenError."""
    now = clock(connection)
    if connection.scalar(select(exists().where(ApiToken.name == name, _valid(now)))):
        raise NameTakenError(f"a token named {name!r} already exists; revoke it, or choose another name")
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
    """Revoke a token and end its sessions. Returns whether there was a valid one."""
    now = clock(connection)
    ids = list(connection.scalars(select(ApiToken.id).where(ApiToken.name == name, _valid(now))))
    connection.execute(delete(WebSession).where(WebSession.token_id.in_(ids)))
    connection.execute(update(ApiToken).where(ApiToken.id.in_(ids)).values(revoked_at=now))
    return bool(ids)


def list_tokens(connection: Connection, limit: int = 500) -> list[dict[str, Any]]:
    """Return the tokens, newest first, without their hashes."""
    now = clock(connection)
    statement = select(ApiToken.__table__).order_by(ApiToken.id.desc()).limit(limit)
    rows = connection.execute(statement).mappings()
    return [{**_shown(row), "is_valid": _is_valid(row, now)} for row in rows]


def any_token(connection: Connection) -> bool:
    """Whether there is a valid token."""
    return bool(connection.scalar(select(exists().where(_valid(clock(connection))))))


def find_token(connection: Connection, token: str) -> Caller | None:
    """Return the caller with this token, if it is valid."""
    found = select(ApiToken.id, ApiToken.name, ApiToken.scopes).where(
        ApiToken.token_hash == fingerprint(token), _valid(clock(connection))
    )
    row = connection.execute(found).one_or_none()
    return Caller(row.id, row.name, frozenset(row.scopes)) if row else None


def note_use(connection: Connection, token_id: int) -> None:
    """Record the use of a token, to the minute."""
    now = clock(connection)
    stale = or_(ApiToken.last_used_at.is_(None), ApiToken.last_used_at < now - _USED_EVERY)
    connection.execute(update(ApiToken).where(ApiToken.id == token_id, stale).values(last_used_at=now))


def open_session(connection: Connection, token_id: int, lifetime: timedelta) -> str:
    """Open a session and return its cookie; it cannot be read again. Expired sessions are removed."""
    now = clock(connection)
    cookie = new_secret()
    connection.execute(delete(WebSession).where(WebSession.expires_at <= now))
    row = {"cookie_hash": fingerprint(cookie), "token_id": token_id, "created_at": now, "expires_at": now + lifetime}
    connection.execute(insert(WebSession), [row])
    return cookie


def find_session(connection: Connection, cookie: str) -> Caller | None:
    """Return the caller with this cookie, if the session and its token are still valid."""
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
