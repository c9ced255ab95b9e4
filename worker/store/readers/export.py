"""Streaming whole views in constant memory."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Connection, Double, String, bindparam, column, select, table, text
from sqlalchemy.types import TypeEngine

from worker.store.types import Document, UtcDateTime

Row = Sequence[Any]
_CHUNK: Final = 5000

_TEXT: Final = String()
_WHOLE: Final = BigInteger()
_REAL: Final[Any] = Double()
_FLAG: Final = Boolean()
_TIME: Final = UtcDateTime()
_PROJECT: Final[Mapping[str, Any]] = dict.fromkeys(("kind", "project_id", "account", "type"), _TEXT)
_OBSERVED: Final[Mapping[str, Any]] = {"observed_at": _TIME, "observed_after": _TIME, "source": _TEXT}

# Export -> its view, its columns, and the time that --since compares.
EXPORTS: Final[Mapping[str, tuple[str, Mapping[str, Any], str]]] = {
    "projects": (
        "projects",
        {
            **_PROJECT,
            **dict.fromkeys(("name", "status", "state", "close_reason"), _TEXT),
            **dict.fromkeys(("is_finished", "is_settled"), _FLAG),
            **dict.fromkeys(("credits_charged", "first_credits", "refunded_credits", "final_credits"), _WHOLE),
            "is_refund_outstanding": _FLAG,
            **dict.fromkeys(("error_code", "error_message"), _TEXT),
            **dict.fromkeys(("width", "height"), _WHOLE),
            "fps": _REAL,
            "download_count": _WHOLE,
            "metadata": Document,
            **dict.fromkeys(("created_at", "tracked_at", "queued_at", "started_at"), _TIME),
            **dict.fromkeys(("finished_at", "stalled_at", "closed_at"), _TIME),
            **dict.fromkeys(("wait_seconds", "render_seconds", "turnaround_seconds"), _REAL),
            **dict.fromkeys(("observed_at", "next_check_at"), _TIME),
            **dict.fromkeys(("check_count", "checks_until_finished"), _WHOLE),
            **dict.fromkeys(("start_seconds", "end_seconds"), _REAL),
            **dict.fromkeys(("image_count", "expected_credits"), _WHOLE),
            "tracked_by": _TEXT,
        },
        "coalesce(observed_at, tracked_at)",
    ),
    "transitions": (
        "transitions",
        {
            **_PROJECT,
            "sequence": _WHOLE,
            "from_status": _TEXT,
            "to_status": _TEXT,
            **_OBSERVED,
            "uncertainty_seconds": _REAL,
        },
        "observed_at",
    ),
    "ledger": (
        "credit_ledger",
        {
            **_PROJECT,
            "sequence": _WHOLE,
            "reason": _TEXT,
            "amount_credits": _WHOLE,
            "total_credits": _WHOLE,
            "status": _TEXT,
            **_OBSERVED,
            "corrects_sequence": _WHOLE,
            "is_flagged": _FLAG,
            "tracked_at": _TIME,
        },
        "observed_at",
    ),
}


def columns(what: str) -> dict[str, type]:
    """Return the columns of an export and the Python type of each."""
    return {name: _python(type_) for name, type_ in EXPORTS[what][1].items()}


def _python(type_: TypeEngine[Any]) -> type:
    if type_ is _TIME:
        return datetime
    return dict if type_ is Document else type_.python_type


def stream(connection: Connection, what: str, since: datetime | None) -> Iterator[Sequence[Row]]:
    """Yield the rows of an export in batches from one snapshot, optionally only those observed at or after a time."""
    if connection.dialect.name == "postgresql":
        # The reader of the stream may be slow.
        for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
            connection.execute(text(f"SET LOCAL {limit} = 0"))
    view, types, time = EXPORTS[what]
    statement = select(*(column(name, type_) for name, type_ in types.items())).select_from(table(view))
    if since is not None:
        statement = statement.where(text(f"{time} >= :since").bindparams(bindparam("since", since, type_=_TIME)))
    result = connection.execution_options(stream_results=True, max_row_buffer=_CHUNK).execute(statement)
    yield from result.partitions(_CHUNK)
