"""The queries of docs/queries.md, and the results that it shows.

``python -m tests.store.readers.documented`` prints the page anew, with the results of the fixed data on SQLite.
"""

import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from tests.store.readers.fixed_data import fill
from worker.store.engine import Database
from worker.store.schema import migrate

PAGE = Path(__file__).parents[3] / "docs" / "queries.md"
_QUERY = re.compile(
    r"^### (?P<title>[^\n]+)\n(?P<words>.*?)```sql\n(?P<sql>.*?)\n```\n(?P<result>(?:\n\|[^\n]*)*)",
    re.DOTALL | re.MULTILINE,
)
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


@dataclass(frozen=True)
class Documented:
    """One query, and the table under it."""

    title: str
    sql: str
    result: str

    @property
    def for_dashboards(self) -> bool:
        """Whether the page says that it stays fast."""
        return self.title.endswith("⏱")


def documented() -> list[Documented]:
    """All queries of the page."""
    found = _QUERY.finditer(PAGE.read_text(encoding="utf-8"))
    return [Documented(each["title"], each["sql"], each["result"].strip()) for each in found]


def shown(connection: Connection, sql: str) -> str:
    """A query's result as the page shows it."""
    result = connection.execute(text(sql.replace(":", "\\:")))
    names = list(result.keys())
    return "\n".join(
        _lines(names, [[_cell(name, value) for name, value in zip(names, row, strict=True)] for row in result])
    )


def _lines(names: list[str], rows: list[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(names)} |"
    yield "|" + "---|" * len(names)
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _cell(name: str, value: Any) -> str:  # noqa: ANN401  whatever a column holds
    if value is None:
        return ""
    if isinstance(value, bool) or name.startswith("is_"):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (float, Decimal)):
        return f"{float(value):.1f}".removesuffix(".0")
    found = _TIME.match(str(value))
    return found[0] if found else str(value)


def renewed(page: str, connection: Connection) -> str:
    """The page with the results of what the database holds."""

    def table(found: re.Match[str]) -> str:
        head = f"### {found['title']}\n{found['words']}```sql\n{found['sql']}\n```\n"
        return f"{head}\n{shown(connection, found['sql'])}"

    return _QUERY.sub(table, page)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/fixed.db")
        migrate(database)
        with database.write() as writing:
            fill(writing)
        with database.read() as reading:
            sys.stdout.write(renewed(PAGE.read_text(encoding="utf-8"), reading))
        database.close()
