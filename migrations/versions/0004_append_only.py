"""History that nobody can rewrite: the database refuses to update or delete it."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = ("status_transitions", "credit_adjustments", "events")


def upgrade() -> None:
    """Put a guard on each table."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(_POSTGRESQL_FUNCTION)
    for table in TABLES:
        for statement in _guards(table):
            op.execute(statement)


def downgrade() -> None:
    """Take the guards away."""
    postgresql = op.get_context().dialect.name == "postgresql"
    for table in TABLES:
        if postgresql:
            op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
            op.execute(f"DROP TRIGGER {table}_not_truncated ON {table}")
        else:
            op.execute(f"DROP TRIGGER {table}_not_updated")
            op.execute(f"DROP TRIGGER {table}_not_deleted")
    if postgresql:
        op.execute("DROP FUNCTION renderwatch_append_only")


_POSTGRESQL_FUNCTION = """
CREATE FUNCTION renderwatch_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are never updated or deleted', TG_TABLE_NAME;
END
$$
"""


def _guards(table: str) -> list[str]:
    if op.get_context().dialect.name == "postgresql":
        call = "EXECUTE FUNCTION renderwatch_append_only()"
        return [
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW {call}",
            f"CREATE TRIGGER {table}_not_truncated BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {call}",
        ]
    refusal = f"SELECT RAISE(ABORT, 'rows of {table} are never updated or deleted')"
    return [
        f"CREATE TRIGGER {table}_not_updated BEFORE UPDATE ON {table} BEGIN {refusal}; END",
        f"CREATE TRIGGER {table}_not_deleted BEFORE DELETE ON {table} BEGIN {refusal}; END",
    ]
