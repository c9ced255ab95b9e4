"""Counting rows to a limit, so that a count costs the same however many there are."""

from typing import Any

from sqlalchemy import Connection, Select, func, select, text

from worker.domain.monitoring.facts import MOST_COUNTED


def count_up_to(connection: Connection, rows: "Select[Any]", most: int = MOST_COUNTED) -> int:
    """Return how many rows a statement finds; stops at ``most``, which replaces the statement's own limit."""
    some = rows.with_only_columns(text("1"), maintain_column_froms=True).order_by(None).limit(most).subquery()
    return connection.scalar(select(func.count()).select_from(some)) or 0
