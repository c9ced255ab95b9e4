"""The one way through the guards of history: closed projects whose days are booked, announced beforehand."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
HISTORY = ("status_transitions", "credit_adjustments", "events")
_ANNOUNCED = "EXISTS (SELECT 1 FROM retiring_projects r WHERE r.tracked_project_id = OLD.tracked_project_id)"
_READY = """EXISTS (SELECT 1 FROM tracked_projects p WHERE p.id = NEW.tracked_project_id AND p.state = 'closed'
  AND p.next_check_at IS NULL)
  AND NOT EXISTS (SELECT 1 FROM credit_adjustments a WHERE a.tracked_project_id = NEW.tracked_project_id
  AND a.observed_at >= (SELECT b.booked_until FROM books b))"""
_NOT_READY = "only closed projects whose days are booked are retired"
_FINAL = "a booked day is never changed"


def upgrade() -> None:
    """Make the tables and the guards."""
    _make_tables()
    if op.get_context().dialect.name == "postgresql":
        for statement in (_append_only(f"TG_OP = 'DELETE' AND {_ANNOUNCED}"), *_POSTGRESQL):
            op.execute(statement)
        return
    for table in HISTORY:
        _guard_sqlite(table, f"WHEN NOT {_ANNOUNCED}")
    for statement in _SQLITE:
        op.execute(statement)


def downgrade() -> None:
    """Close the way again."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(_append_only("false"))
        op.execute("DROP TRIGGER credit_daily_totals_final ON credit_daily_totals")
        op.execute("DROP TRIGGER retiring_projects_ready ON retiring_projects")
        op.execute("DROP FUNCTION renderwatch_final_day")
        op.execute("DROP FUNCTION renderwatch_ready_to_retire")
    else:
        for table in HISTORY:
            _guard_sqlite(table, "")
        op.execute("DROP TRIGGER credit_daily_totals_not_updated")
        op.execute("DROP TRIGGER credit_daily_totals_not_deleted")
    op.drop_table("retired_credits")
    op.drop_table("retiring_projects")


def _make_tables() -> None:
    op.create_table(
        "retiring_projects",
        sa.Column("tracked_project_id", ID, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["tracked_project_id"], ["tracked_projects.id"], name=op.f("fk_retiring_projects_tracked_project_id")
        ),
        sa.PrimaryKeyConstraint("tracked_project_id", name=op.f("pk_retiring_projects")),
    )
    op.create_table(
        "retired_credits",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=5), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("charged", sa.BigInteger(), nullable=False),
        sa.Column("corrected", sa.BigInteger(), nullable=False),
        sa.Column("refunded", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("month", "account", "kind", "type", name=op.f("pk_retired_credits")),
    )


def _append_only(way_through: str) -> str:
    # In PL/pgSQL a condition that names OLD is not evaluated for TRUNCATE, which has no row.
    return f"""
CREATE OR REPLACE FUNCTION renderwatch_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_LEVEL = 'ROW' THEN
    IF {way_through} THEN
      RETURN OLD;
    END IF;
  END IF;
  RAISE EXCEPTION 'rows of % are never updated or deleted', TG_TABLE_NAME;
END
$$
"""


_POSTGRESQL = (
    f"""
CREATE FUNCTION renderwatch_ready_to_retire() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF {_READY} THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION '{_NOT_READY}';
END
$$
""",
    (
        "CREATE TRIGGER retiring_projects_ready BEFORE INSERT OR UPDATE ON retiring_projects FOR EACH ROW"
        " EXECUTE FUNCTION renderwatch_ready_to_retire()"
    ),
    f"""
CREATE FUNCTION renderwatch_final_day() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '{_FINAL}';
END
$$
""",
    (
        "CREATE TRIGGER credit_daily_totals_final BEFORE UPDATE OR DELETE OR TRUNCATE ON credit_daily_totals"
        " FOR EACH STATEMENT EXECUTE FUNCTION renderwatch_final_day()"
    ),
)
_SQLITE = (
    (
        "CREATE TRIGGER retiring_projects_ready BEFORE INSERT ON retiring_projects"
        f" WHEN NOT ({_READY}) BEGIN SELECT RAISE(ABORT, '{_NOT_READY}'); END"
    ),
    (
        "CREATE TRIGGER credit_daily_totals_not_updated BEFORE UPDATE ON credit_daily_totals"
        f" BEGIN SELECT RAISE(ABORT, '{_FINAL}'); END"
    ),
    (
        "CREATE TRIGGER credit_daily_totals_not_deleted BEFORE DELETE ON credit_daily_totals"
        f" BEGIN SELECT RAISE(ABORT, '{_FINAL}'); END"
    ),
)


def _guard_sqlite(table: str, condition: str) -> None:
    op.execute(f"DROP TRIGGER {table}_not_deleted")
    refusal = f"SELECT RAISE(ABORT, 'rows of {table} are never updated or deleted')"
    op.execute(f"CREATE TRIGGER {table}_not_deleted BEFORE DELETE ON {table} {condition} BEGIN {refusal}; END")
