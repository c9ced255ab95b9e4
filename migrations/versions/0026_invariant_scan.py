"""How far the daily scan for violated invariants is: each run of maintenance goes on where the last one stopped."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None
contracts = False


def upgrade() -> None:
    """Make the table with its one row."""
    table = op.create_table(
        "invariant_scan",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("violations", sa.BigInteger(), nullable=False),
        sa.Column("last_violations", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("scanned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("violated_since", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_invariant_scan_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invariant_scan")),
    )
    op.bulk_insert(table, [{"id": 1, "position": 0, "violations": 0, "last_violations": 0}])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("invariant_scan")
