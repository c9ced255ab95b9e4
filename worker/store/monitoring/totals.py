"""The counts of all processes, in a small table, so that metrics are exact across processes, hosts and restarts.

Rows are spread over shards, so that concurrent batches seldom wait for each other. They are written in a
fixed order at the end of a transaction, which prevents deadlocks.
"""

import random
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from worker.store.models import MetricTotal
from worker.store.types import Now

_SHARDS: Final = 16
_TABLE: Final[Any] = MetricTotal.__table__


def _statement(dialect: Any) -> Any:  # noqa: ANN401  the two dialects share no type
    values: dict[str, Any] = {name: bindparam(f"_{name}") for name in ("metric", "labels", "shard", "value")}
    statement = dialect.insert(_TABLE).values(**values, updated_at=Now())
    more = {"value": _TABLE.c.value + statement.excluded.value, "updated_at": statement.excluded.updated_at}
    return statement.on_conflict_do_update(index_elements=["metric", "labels", "shard"], set_=more)


_STATEMENTS: Final = {"postgresql": _statement(postgresql), "sqlite": _statement(sqlite)}


def add_totals(connection: Connection, totals: Mapping[tuple[str, str], int]) -> None:
    """Add counts. Call this once per transaction, after everything else."""
    shard = random.randrange(_SHARDS)  # noqa: S311  spreads load
    rows = [
        {"_metric": metric, "_labels": labels, "_shard": shard, "_value": value}
        for (metric, labels), value in sorted(totals.items())
        if value
    ]
    if rows:
        connection.execute(_STATEMENTS[connection.dialect.name], rows)


def read_totals(connection: Connection) -> dict[tuple[str, str], int]:
    """Return the sums over all shards."""
    statement = select(_TABLE.c.metric, _TABLE.c.labels, func.sum(_TABLE.c.value)).group_by(
        _TABLE.c.metric, _TABLE.c.labels
    )
    return {(metric, labels): int(value) for metric, labels, value in connection.execute(statement)}
