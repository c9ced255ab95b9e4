"""What else Magic Hour says of a project, what it was expected to cost, and who had it tracked."""

import importlib
from typing import Any

import sqlalchemy as sa
from alembic import op

from migrations.words import Words, words

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

COLUMNS: tuple[tuple[str, Any], ...] = (
    ("start_seconds", sa.Double()),
    ("end_seconds", sa.Double()),
    ("image_count", sa.Integer()),
    ("expected_credits", sa.BigInteger()),
    ("tracked_by", sa.String(200)),
)


def upgrade() -> None:
    """Make the columns, and show them at the end of the view: PostgreSQL takes new ones nowhere else."""
    for name, type_ in COLUMNS:
        op.add_column("tracked_projects", sa.Column(name, type_, nullable=True))
    w = words()
    columns = ", ".join(f"p.{name}" for name, _ in COLUMNS)
    before, after = _projects(w).rsplit("\nFROM ", 1)
    if not w.postgresql:
        op.execute("DROP VIEW projects")
    op.execute(f"{w.pick('CREATE OR REPLACE VIEW', 'CREATE VIEW')} projects AS {before}, {columns}\nFROM {after}")


def downgrade() -> None:
    """Go back to the view of before, then drop the columns."""
    op.execute("DROP VIEW projects")
    op.execute(f"CREATE VIEW projects AS {_projects(words())}")
    for name, _ in COLUMNS:
        op.drop_column("tracked_projects", name)


def _projects(w: Words) -> str:
    """Return the view as the steps before left it."""
    made: str = importlib.import_module("migrations.versions.0006_reader_views")._views(w)["projects"]  # noqa: SLF001
    added = importlib.import_module("migrations.versions.0013_failure_reasons").ADDED["projects"]
    before, after = made.rsplit("\nFROM ", 1)
    return f"{before}, {added}\nFROM {after}"
