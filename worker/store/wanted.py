"""Whether there is anything to do: asked with one statement before a task is sent that would have to find out."""

from collections.abc import Mapping
from typing import Any, Final

from worker.store.engine import Database

_CLOCKS: Final = {
    "postgresql": ("clock_timestamp()", "clock_timestamp() - interval '{0:f} s'"),
    "sqlite": ("strftime('%Y-%m-%d %H:%M:%f', 'now')", "strftime('%Y-%m-%d %H:%M:%f', 'now', '-{0:f} seconds')"),
}
# Each account's first comes from the index. The planner can make no join of this, for which it would need statistics.
_DISPATCH: Final = """
SELECT NOT EXISTS (SELECT 1 FROM heartbeats WHERE name = 'dispatch' AND beat_at > BEFORE)
  OR EXISTS (
    SELECT 1 FROM accounts
    WHERE (
      SELECT min(next_check_at) FROM tracked_projects
      WHERE tracked_projects.account = accounts.name AND next_check_at IS NOT NULL
    ) <= NOW)
"""
_DELIVER: Final = "SELECT EXISTS (SELECT 1 FROM deliveries WHERE state = 'pending' AND next_attempt_at <= NOW)"


class Wanted:
    """Asks the same again and again, every second of every idle day.

    So it keeps one connection, without transactions, and goes to the driver itself: that costs a seventh of what it
    costs to put a statement together, to take a connection and to give it back.
    """

    def __init__(self, database: Database, silence: float) -> None:
        """Dispatch is wanted after so many seconds in any case; nothing is connected yet."""
        self._database = database
        self._statements = _statements(database.engine.dialect.name, silence)
        self._connection: Any = None

    def dispatch(self) -> bool:
        """Whether a project may be due, or nothing has been dispatched for too long.

        Projects that are being checked right now count too: which are really due is for the claim to find out.
        """
        return self._answer("dispatch")

    def deliver(self) -> bool:
        """Whether news waits to be delivered."""
        return self._answer("deliver")

    def close(self) -> None:
        """Close the connection; the next question makes a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _answer(self, question: str) -> bool:
        try:
            cursor = self._connected().cursor()
            cursor.execute(self._statements[question])
            return bool(cursor.fetchone()[0])
        except Exception:
            self.close()
            raise

    def _connected(self) -> Any:  # noqa: ANN401  a driver's connection
        if self._connection is None:
            pooled = self._database.engine.raw_connection()
            self._connection = pooled.dbapi_connection
            pooled.detach()
            if self._database.engine.dialect.name == "postgresql":  # on SQLite it is so anyway
                self._connection.autocommit = True
        return self._connection


def _statements(dialect: str, silence: float) -> Mapping[str, str]:
    now, before = _CLOCKS[dialect]
    each = {"dispatch": _DISPATCH, "deliver": _DELIVER}
    return {name: text.replace("BEFORE", before.format(silence)).replace("NOW", now) for name, text in each.items()}
