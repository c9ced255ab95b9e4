"""A second request for a known project adds what the first one lacked, and reopens one that was given up."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select, update

from worker.domain.intake.request import TrackRequest
from worker.domain.projects.ledger import Adjustment, adjust
from worker.store.models import TrackedProject
from worker.store.types import listed

GIVEN_UP: Final = ("untracked", "missing", "expired")
_PROJECTS: Final[Any] = TrackedProject.__table__
# The parts of a request that may be added; columns and fields have the same names.
PARTS: Final = ("credits_charged", "metadata", "notify")
_LOCKED: Final = (
    select(_PROJECTS.c.id, _PROJECTS.c.status, _PROJECTS.c.state, *(_PROJECTS.c[name] for name in PARTS))
    .where(listed(_PROJECTS.c.id, "ids"))
    .order_by(_PROJECTS.c.id)
    .with_for_update(key_share=True)
)


def is_missing(row: Any, part: str) -> bool:  # noqa: ANN401  a row of any query
    """Whether a stored project lacks this part."""
    value = getattr(row, part)
    return value is None if part == "credits_charged" else not value


def missing_parts(row: Any, request: TrackRequest) -> tuple[str, ...]:  # noqa: ANN401  as above
    """Return the parts that a request has and the stored project lacks."""
    return tuple(part for part in PARTS if is_missing(row, part) and not is_missing(request, part))


def ignored_parts(row: Any, request: TrackRequest) -> tuple[str, ...]:  # noqa: ANN401  as above
    """Return the parts that differ from those first sent, which are kept.

    The price is compared with the first one, because it changes with what the API charges.
    """
    return tuple(
        part
        for part in PARTS
        if not is_missing(row, part) and not is_missing(request, part) and _first(row, part) != getattr(request, part)
    )


def _first(row: Any, part: str) -> Any:  # noqa: ANN401  as above
    return row.expected_credits if part == "credits_charged" else getattr(row, part)


def fill_missing(
    connection: Connection, requests: Mapping[int, TrackRequest], now: datetime
) -> tuple[dict[int, tuple[str, ...]], list[dict[str, Any]]]:
    """Add missing parts to the projects with these row ids.

    Returns the parts added to each, and ledger rows for added prices, which the caller stores.
    """
    if not requests:
        return {}, []
    added: dict[int, tuple[str, ...]] = {}
    entries: list[dict[str, Any]] = []
    # Read again under the lock, because a check or another request may have added the price in the meantime.
    for row in connection.execute(_LOCKED, {"ids": sorted(requests)}).all():
        request = requests[row.id]
        added[row.id] = parts = missing_parts(row, request)
        if not parts:
            continue
        values = {part: getattr(request, part) for part in parts}
        if "credits_charged" in parts:
            entry = adjust(
                None, values["credits_charged"], kind=request.kind, status=row.status, closed=row.state == "closed"
            )
            if entry:
                entries.append(first_entry(row.id, entry, now))
            values |= {"adjustment_count": 1, "expected_credits": request.credits_charged}
        statement = update(_PROJECTS).where(_PROJECTS.c.id == bindparam("_row"))
        connection.execute(statement.values(values), {"_row": row.id})
    return {id_: parts for id_, parts in added.items() if parts}, entries


def first_entry(id_: int, entry: Adjustment, now: datetime) -> dict[str, Any]:
    """Return the ledger row of a create call's price."""
    return {
        "tracked_project_id": id_,
        "sequence": 1,
        "reason": entry.reason,
        "amount": entry.amount,
        "total": entry.total,
        "flagged": entry.flagged,
        "observed_at": now,
        "source": "create",
    }


def reopen(connection: Connection, ids: Sequence[int], now: datetime) -> int:
    """Reopen projects whose tracking was given up. Returns how many were not reopened by another transaction first."""
    given_up = (
        select(TrackedProject.id)
        .where(TrackedProject.id.in_(ids), TrackedProject.close_reason.in_(GIVEN_UP))
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
