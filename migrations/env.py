"""Run the steps inside one transaction, on a connection given by the caller or made from the settings."""

from alembic import context
from sqlalchemy import Connection

from worker.settings import get_settings
from worker.store.engine import make_engine
from worker.store.models import Base
from worker.store.models.dictionary import write_comments
from worker.store.readers.reader_role import renew_readers
from worker.store.schema_version import VERSION_TABLE, make_version_table, write_works_from

# Two deployments that migrate at the same time take turns; the number only has to be ours.
_LOCK = 7_310_201_946
# The application's limits are not meant for steps that fill a column. A lock is waited for only briefly: everything
# that wants the table meanwhile waits behind it.
_LIMITS = ("statement_timeout = 0", "idle_in_transaction_session_timeout = 0")
_PATIENCE = "3s"


def run(connection: Connection) -> None:
    """Migrate one database. The connection has no transaction yet: a step may have to end the one that is made here."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        compare_type=True,
        version_table=VERSION_TABLE,
        transactional_ddl=True,  # SQLite's too, with the BEGIN that our connections send
        include_name=lambda name, kind, _: kind != "table" or name != "alembic_version",
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            for limit in (*_LIMITS, "lock_timeout = 0"):
                connection.exec_driver_sql(f"SET LOCAL {limit}")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_PATIENCE}'")
        make_version_table(connection)
        context.run_migrations()
        write_works_from(connection)
        write_comments(connection)
        renew_readers(connection)


def main() -> None:
    """Find the connection."""
    if context.is_offline_mode():
        context.configure(
            dialect_name=make_engine(get_settings().database).dialect.name,
            target_metadata=Base.metadata,
            literal_binds=True,
            version_table=VERSION_TABLE,
        )
        with context.begin_transaction():
            context.run_migrations()
        return
    given = context.config.attributes.get("connection")
    if given is not None:
        run(given)
        return
    with make_engine(get_settings().database).connect() as connection:
        run(connection)


main()
