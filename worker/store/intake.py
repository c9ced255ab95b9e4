"""Storing projects to follow. A project that is known already stays as it is, unless its tracking had been given up."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, insert, select, update

from worker.domain.ledger import adjust
from worker.domain.request import TrackRequest
from worker.store.accounts import ensure_accounts
from worker.store.bulk import insert_new_rows, insert_rows, rows_of
from worker.store.engine import clock
from worker.store.models import CreditAdjustment, RejectedRequest, TrackedProject

_LONGEST_REQUEST: Final = 4000
_GIVEN_UP: Final = ("untracked", "missing", "expired")
_PART: Final = 500

Key = tuple[str, str]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a list of requests: the new ones, those known before, those opened again, and those refused."""

    new: int = 0
    known: int = 0
    reopened: int = 0
    refused: tuple[tuple[TrackRequest, str], ...] = ()


def store_requests(connection: Connection, requests: Sequence[TrackRequest]) -> Stored:
    """Store requests, each id once. All or none of them are stored, with the caller's transaction."""
    unique = {_key(request): request for request in reversed(requests)}
    now = clock(connection)
    ensure_accounts(connection, (request.account for request in unique.values()), now)
    new = 0
    owners: dict[Key, str] = {}
    given_up: list[int] = []
    # In the order of their ids, as everybody else does it, and all new ones first: so nobody waits in a circle.
    for part in _parts(sorted(unique.values(), key=_key)):
        known, inserted = _known_and_new(connection, part, now)
        new += len(inserted)
        for key, row in known.items():
            owners[key] = row.account
            if row.close_reason in _GIVEN_UP and row.account == unique[key].account:
                given_up.append(row.id)
    reopened = sum(_reopen(connection, part, now) for part in _parts(sorted(given_up)))
    refused = _conflicts(requests, {key: request.account for key, request in unique.items()} | owners)
    return Stored(new, len(requests) - new - reopened - len(refused), reopened, refused)


def _key(request: TrackRequest) -> Key:
    return request.kind, request.project_id


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + _PART] for start in range(0, len(items), _PART))


def _conflicts(requests: Sequence[TrackRequest], owners: Mapping[Key, str]) -> tuple[tuple[TrackRequest, str], ...]:
    return tuple(
        (request, f"{request.project_id} is tracked already, for account {owners[_key(request)]!r}")
        for request in requests
        if owners[_key(request)] != request.account
    )


def _known_and_new(
    connection: Connection, part: Sequence[TrackRequest], now: datetime
) -> tuple[dict[Key, Any], dict[Key, int]]:
    """Look up what is known, insert the rest, and look up what somebody else inserted in the meantime."""
    known = _known(connection, part)
    missing = [request for request in part if _key(request) not in known]
    inserted = _insert(connection, missing, now)
    _first_entries(connection, missing, inserted, now)
    return known | _known(connection, [request for request in missing if _key(request) not in inserted]), inserted


def _insert(connection: Connection, part: Sequence[TrackRequest], now: datetime) -> dict[Key, int]:
    if not part:
        return {}
    rows = [_new_row(request, now) for request in part]
    inserted = insert_new_rows(connection, TrackedProject, rows, ("id", "kind", "project_id"))
    return {(row.kind, row.project_id): row.id for row in inserted}


def _new_row(request: TrackRequest, now: datetime) -> dict[str, Any]:
    return {
        "kind": request.kind,
        "project_id": request.project_id,
        "account": request.account,
        "credits_charged": request.credits_charged,
        "adjustment_count": 0 if request.credits_charged is None else 1,
        "metadata": dict(request.metadata),
        "notify": dict(request.notify),
        "tracked_at": now,
        "opened_at": now,
        "next_check_at": now,
    }


def _first_entries(
    connection: Connection, part: Sequence[TrackRequest], inserted: dict[Key, int], now: datetime
) -> None:
    rows = []
    for request in part:
        id_ = inserted.get(_key(request))
        if id_ is None or request.credits_charged is None:
            continue
        entry = adjust(None, request.credits_charged, kind=request.kind, status=None, closed=False)
        if entry:
            rows.append(
                {
                    "tracked_project_id": id_,
                    "sequence": 1,
                    "reason": entry.reason,
                    "amount": entry.amount,
                    "total": entry.total,
                    "flagged": entry.flagged,
                    "observed_at": now,
                    "source": "create",
                }
            )
    if rows:
        insert_rows(connection, CreditAdjustment, rows)


def _known(connection: Connection, part: Sequence[TrackRequest]) -> dict[Key, Any]:
    if not part:
        return {}
    keys = [{"kind": request.kind, "project_id": request.project_id} for request in part]
    rows = rows_of(connection, TrackedProject, keys, ("id", "kind", "project_id", "account", "close_reason"))
    return {(row.kind, row.project_id): row for row in rows}


def _reopen(connection: Connection, ids: Sequence[int], now: datetime) -> int:
    """Open projects again whose tracking had been given up. Returns how many nobody else opened in the meantime."""
    given_up = (
        select(TrackedProject.id)
        .where(TrackedProject.id.in_(ids), TrackedProject.close_reason.in_(_GIVEN_UP))
        .order_by(TrackedProject.id)
        .with_for_update(key_share=True)
    )
    locked = connection.scalars(given_up).all()
    if locked:
        connection.execute(
            update(TrackedProject)
            .where(TrackedProject.id.in_(locked))
            .values(
                state="active",
                close_reason=None,
                closed_at=None,
                opened_at=now,
                next_check_at=now,
                missing_since=None,
                missing_count=0,
                failure_count=0,
                settling_since=None,
            )
        )
    return len(locked)


def store_rejections(connection: Connection, rejections: Sequence[tuple[str, str]]) -> None:
    """Keep requests that could not be understood: (what came, why it was refused)."""
    now = clock(connection)
    rows = [
        {"request": _text(request, _LONGEST_REQUEST), "reason": _text(reason, _LONGEST_REQUEST), "rejected_at": now}
        for request, reason in rejections
    ]
    if rows:
        connection.execute(insert(RejectedRequest), rows)


def _text(value: str, longest: int) -> str:
    return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()[:longest]
