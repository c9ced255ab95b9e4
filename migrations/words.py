"""What the databases say differently, for views that read the same on each of them."""

from dataclasses import dataclass

from alembic import op


@dataclass(frozen=True, slots=True)
class Words:
    """SQL in the words of one database."""

    postgresql: bool

    def pick(self, postgresql: str, sqlite: str) -> str:
        """Return one of two wordings."""
        return postgresql if self.postgresql else sqlite

    @property
    def now(self) -> str:
        """Name the present time, comparable with stored ones."""
        return self.pick("now()", "(strftime('%Y-%m-%d %H:%M:%f', 'now') || '000')")

    def earlier(self, seconds: int) -> str:
        """Return the SQL expression for a time this many seconds ago."""
        return self.pick(
            f"(now() - interval '{seconds} seconds')",
            f"(strftime('%Y-%m-%d %H:%M:%f', 'now', '-{seconds} seconds') || '000')",
        )

    def seconds(self, start: str, end: str) -> str:
        """Count the seconds between two times, as a floating point number."""
        return self.pick(
            f"CAST(extract(epoch FROM {end} - {start}) AS double precision)",
            f"round((julianday({end}) - julianday({start})) * 86400.0, 3)",
        )

    def day(self, time: str) -> str:
        """Cut a time down to its day, in UTC."""
        return self.pick(f"CAST({time} AT TIME ZONE 'UTC' AS date)", f"substr({time}, 1, 10)")

    def before(self, value: str, mark: str) -> str:
        """Cut a text off before a mark."""
        return self.pick(
            f"split_part({value}, '{mark}', 1)", f"substr({value}, 1, instr({value} || '{mark}', '{mark}') - 1)"
        )

    def length(self, document: str) -> str:
        """Count the elements of a JSON array."""
        return self.pick(f"jsonb_array_length({document})", f"json_array_length({document})")


def words() -> Words:
    """Return the words of the database that is migrated."""
    return Words(op.get_context().dialect.name == "postgresql")
