"""The schema: bringing a database to the present one, and telling whether it is there."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from worker.store.engine import Database

_STEPS: Final = Path(__file__).parents[2] / "migrations"


def migrate(database: Database, revision: str = "head") -> None:
    """Go up to a revision, in one transaction. Raises StoreUnavailableError when the database does not play along."""
    with database.write() as connection:
        command.upgrade(_config(connection), revision)


def downgrade(database: Database, revision: str) -> None:
    """Go down to a revision, in one transaction: ``base`` removes all tables, with everything in them."""
    with database.write() as connection:
        command.downgrade(_config(connection), revision)


def is_current(connection: Connection) -> bool:
    """Whether the database has the present schema."""
    return MigrationContext.configure(connection).get_current_revision() == newest()


def newest() -> str:
    """Return the newest revision."""
    return ScriptDirectory(str(_STEPS)).get_current_head() or ""


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_STEPS))
    config.attributes["connection"] = connection
    return config
