"""The version table has a name of ours, and functions find their tables whoever calls them, in any schema."""

import importlib

from alembic import op

from migrations.words import words

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

FUNCTIONS = ("renderwatch_append_only()", "renderwatch_ready_to_retire()", "projects_as_of(timestamp with time zone)")


def upgrade() -> None:
    """Read the version from the table of ours, and tie the functions to the schema that they are in."""
    w = words()
    query = importlib.import_module("migrations.versions.0006_reader_views")._tracker_health(w)  # noqa: SLF001
    if w.postgresql:
        op.execute(f"CREATE OR REPLACE VIEW tracker_health AS {query}")
        for function in FUNCTIONS:
            op.execute(f"ALTER FUNCTION {function} SET search_path FROM CURRENT")
    else:
        op.execute("DROP VIEW tracker_health")
        op.execute(f"CREATE VIEW tracker_health AS {query}")


def downgrade() -> None:
    """Untie the functions. The table of ours stays, and the view reads it."""
    if words().postgresql:
        for function in FUNCTIONS:
            op.execute(f"ALTER FUNCTION {function} RESET search_path")
