"""Run the steps inside one transaction, on a connection given by the caller or made from the settings."""

from alembic import context
from sqlalchemy import Connection

from worker.settings import get_settings
from worker.store.dictionary import write_comments
from worker.store.engine import make_engine
from worker.store.models import Base
from worker.store.readers import renew_readers

# Two deployments that migrate at the same time take turns; the number only has to be ours.
_LOCK = 7_310_201_946


def run(connection: Connection) -> None:
    """Migrate one database."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()
        write_comments(connection)
        renew_readers(connection)


def main() -> None:
    """Find the connection."""
    if context.is_offline_mode():
        context.configure(
            dialect_name=make_engine(get_settings().database).dialect.name,
            target_metadata=Base.metadata,
            literal_binds=True,
        )
        with context.begin_transaction():
            context.run_migrations()
        return
    given = context.config.attributes.get("connection")
    if given is not None:
        run(given)
        return
    with make_engine(get_settings().database).begin() as connection:
        run(connection)


main()
