"""What happened to each project: the status history and the credit ledger."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
DOCUMENT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    _make_status_transitions()
    _make_credit_adjustments()


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("credit_adjustments")
    op.drop_table("status_transitions")


def _make_status_transitions() -> None:
    op.create_table(
        "status_transitions",
        sa.Column("id", ID, nullable=False),
        sa.Column("tracked_project_id", ID, nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("from_status", sa.String(length=200), nullable=True),
        sa.Column("to_status", sa.String(length=200), nullable=False),
        sa.Column("observed_at", TIME, nullable=False),
        sa.Column("observed_after", TIME, nullable=True),
        sa.Column("source", sa.String(length=6), nullable=False),
        sa.CheckConstraint("source IN ('create', 'poll', 'settle', 'hint')", name=op.f("ck_status_transitions_source")),
        sa.CheckConstraint("(sequence = 1) = (from_status IS NULL)", name=op.f("ck_status_transitions_first_sight")),
        sa.CheckConstraint(
            "from_status IS NULL OR from_status <> to_status", name=op.f("ck_status_transitions_changes")
        ),
        sa.CheckConstraint(
            "observed_after IS NULL OR observed_after <= observed_at", name=op.f("ck_status_transitions_order")
        ),
        sa.CheckConstraint("sequence >= 1", name=op.f("ck_status_transitions_sequence")),
        sa.ForeignKeyConstraint(
            ["tracked_project_id"], ["tracked_projects.id"], name=op.f("fk_status_transitions_tracked_project_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_status_transitions")),
        sa.UniqueConstraint(
            "tracked_project_id", "sequence", name=op.f("uq_status_transitions_tracked_project_id_sequence")
        ),
    )


def _make_credit_adjustments() -> None:
    op.create_table(
        "credit_adjustments",
        sa.Column("id", ID, nullable=False),
        sa.Column("tracked_project_id", ID, nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=10), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=200), nullable=True),
        sa.Column("observed_at", TIME, nullable=False),
        sa.Column("observed_after", TIME, nullable=True),
        sa.Column("source", sa.String(length=6), nullable=False),
        sa.Column("corrects", sa.Integer(), nullable=True),
        sa.Column("flagged", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.CheckConstraint("reason <> 'refund' OR amount < 0", name=op.f("ck_credit_adjustments_refund_is_negative")),
        sa.CheckConstraint(
            "reason IN ('charge', 'estimate', 'final', 'refund', 'correction')",
            name=op.f("ck_credit_adjustments_reason"),
        ),
        sa.CheckConstraint("source IN ('create', 'poll', 'settle', 'hint')", name=op.f("ck_credit_adjustments_source")),
        sa.CheckConstraint(
            "CASE WHEN sequence = 1 THEN amount = total ELSE amount <> 0 END", name=op.f("ck_credit_adjustments_amount")
        ),
        sa.CheckConstraint(
            "corrects IS NULL OR corrects < sequence", name=op.f("ck_credit_adjustments_corrects_an_earlier_one")
        ),
        sa.CheckConstraint(
            "observed_after IS NULL OR observed_after <= observed_at", name=op.f("ck_credit_adjustments_order")
        ),
        sa.CheckConstraint("sequence >= 1", name=op.f("ck_credit_adjustments_sequence")),
        sa.ForeignKeyConstraint(
            ["tracked_project_id"], ["tracked_projects.id"], name=op.f("fk_credit_adjustments_tracked_project_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_adjustments")),
        sa.UniqueConstraint(
            "tracked_project_id", "sequence", name=op.f("uq_credit_adjustments_tracked_project_id_sequence")
        ),
    )
