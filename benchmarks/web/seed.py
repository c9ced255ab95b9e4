"""Many projects with a past, made by PostgreSQL itself: what Renderwatch would have recorded of them."""

from pathlib import Path

from sqlalchemy import Connection, Engine, text


def seed(connection: Connection, count: int, days: float) -> None:
    """Store so many projects in an empty database, handed over evenly within the last days."""
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    connection.execute(text("SELECT setseed(0.5)"))
    script = Path(__file__).with_name("seed.sql").read_text(encoding="utf-8")
    for step in script.split("\n;\n"):
        connection.execute(text(step), {"count": count, "days": days} if ":days" in step else {})


def tidy(engine: Engine) -> None:
    """Let the database count and clean up, as it would by itself before long."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))
