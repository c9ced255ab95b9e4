"""The accounts, and the projects that are tracked for them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
DOCUMENT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    _make_accounts()
    _make_tracked_projects()
    _make_rejected_requests()
    _make_operator_actions()
    _make_heartbeats()
    _make_render_durations()


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("render_durations")
    op.drop_table("heartbeats")
    op.drop_table("operator_actions")
    op.drop_table("rejected_requests")
    op.drop_table("tracked_projects")
    op.drop_table("accounts")


def _make_accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("tokens", sa.Double(), nullable=False),
        sa.Column("refilled_at", TIME, nullable=False),
        sa.Column("rate_factor", sa.Double(), nullable=False),
        sa.Column("paused_until", TIME, nullable=True),
        sa.Column("pause_reason", sa.String(length=40), nullable=True),
        sa.Column("failure_streak", sa.Integer(), nullable=False),
        sa.Column("price", sa.Double(), nullable=True),
        sa.CheckConstraint("price > 0", name=op.f("ck_accounts_price")),
        sa.CheckConstraint("rate_factor > 0 AND rate_factor <= 1", name=op.f("ck_accounts_rate_factor")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_accounts")),
    )


def _make_tracked_projects() -> None:
    op.create_table(
        "tracked_projects",
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.String(length=5), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("close_reason", sa.String(length=9), nullable=True),
        sa.Column("status", sa.String(length=200), nullable=True),
        sa.Column("credits_charged", sa.BigInteger(), nullable=True),
        sa.Column("error_code", sa.String(length=200), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("fps", sa.Double(), nullable=True),
        sa.Column("downloads", DOCUMENT, nullable=False),
        sa.Column("metadata", DOCUMENT, nullable=False),
        sa.Column("notify", DOCUMENT, nullable=False),
        sa.Column("created_at", TIME, nullable=True),
        sa.Column("tracked_at", TIME, nullable=False),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("queued_at", TIME, nullable=True),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("finished_at", TIME, nullable=True),
        sa.Column("stalled_at", TIME, nullable=True),
        sa.Column("settling_since", TIME, nullable=True),
        sa.Column("closed_at", TIME, nullable=True),
        sa.Column("last_observed_at", TIME, nullable=True),
        sa.Column("missing_since", TIME, nullable=True),
        sa.Column("next_check_at", TIME, nullable=True),
        sa.Column("check_gap", sa.Double(), nullable=True),
        sa.Column("lease_token", sa.String(length=36), nullable=True),
        sa.Column("leased_until", TIME, nullable=True),
        sa.Column("claimed_at", TIME, nullable=True),
        sa.Column("hinted_at", TIME, nullable=True),
        sa.Column("check_count", sa.Integer(), nullable=False),
        sa.Column("checks_until_finished", sa.Integer(), nullable=True),
        sa.Column("detection_delay", sa.Double(), nullable=True),
        sa.Column("failure_count", sa.Integer(), nullable=False),
        sa.Column("last_problem", sa.String(length=40), nullable=True),
        sa.Column("missing_count", sa.Integer(), nullable=False),
        sa.Column("transition_count", sa.Integer(), nullable=False),
        sa.Column("adjustment_count", sa.Integer(), nullable=False),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.Column("closing_count", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(state = 'closed') = (close_reason IS NOT NULL) AND (state = 'closed') = (closed_at IS NOT NULL)",
            name=op.f("ck_tracked_projects_closed_for_a_reason"),
        ),
        sa.CheckConstraint(
            "close_reason IN ('settled', 'missing', 'deleted', 'expired', 'untracked')",
            name=op.f("ck_tracked_projects_close_reason"),
        ),
        sa.CheckConstraint("kind IN ('video', 'image', 'audio')", name=op.f("ck_tracked_projects_kind")),
        sa.CheckConstraint(
            "state = 'closed' OR next_check_at IS NOT NULL", name=op.f("ck_tracked_projects_open_is_scheduled")
        ),
        sa.CheckConstraint("state IN ('active', 'settling', 'closed')", name=op.f("ck_tracked_projects_state")),
        sa.CheckConstraint(
            "(credits_charged IS NULL) = (adjustment_count = 0)", name=op.f("ck_tracked_projects_credits_have_a_ledger")
        ),
        sa.CheckConstraint(
            "(lease_token IS NULL) = (leased_until IS NULL) AND (lease_token IS NULL) = (claimed_at IS NULL)",
            name=op.f("ck_tracked_projects_lease"),
        ),
        sa.CheckConstraint(
            "(status IS NULL) = (transition_count = 0)", name=op.f("ck_tracked_projects_status_has_a_history")
        ),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name=op.f("fk_tracked_projects_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tracked_projects")),
        sa.UniqueConstraint("kind", "project_id", name=op.f("uq_tracked_projects_kind_project_id")),
    )
    op.create_index(
        "ix_tracked_projects_due",
        "tracked_projects",
        ["account", "next_check_at"],
        unique=False,
        sqlite_where=sa.text("next_check_at IS NOT NULL"),
        postgresql_where=sa.text("next_check_at IS NOT NULL"),
    )
    op.create_index(
        "ix_tracked_projects_kind_finished",
        "tracked_projects",
        ["kind", "finished_at"],
        unique=False,
        sqlite_where=sa.text("finished_at IS NOT NULL"),
        postgresql_where=sa.text("finished_at IS NOT NULL"),
    )
    op.create_index(
        "ix_tracked_projects_finished",
        "tracked_projects",
        ["kind", "type", "finished_at"],
        unique=False,
        sqlite_where=sa.text("finished_at IS NOT NULL"),
        postgresql_where=sa.text("finished_at IS NOT NULL"),
    )
    op.create_index(
        "ix_tracked_projects_lease_token",
        "tracked_projects",
        ["lease_token"],
        unique=False,
        sqlite_where=sa.text("lease_token IS NOT NULL"),
        postgresql_where=sa.text("lease_token IS NOT NULL"),
    )
    op.create_index("ix_tracked_projects_state", "tracked_projects", ["state"], unique=False)


def _make_rejected_requests() -> None:
    op.create_table(
        "rejected_requests",
        sa.Column("id", ID, nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("rejected_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rejected_requests")),
    )
    op.create_index("ix_rejected_requests_rejected_at", "rejected_requests", ["rejected_at"], unique=False)


def _make_operator_actions() -> None:
    op.create_table(
        "operator_actions",
        sa.Column("id", ID, nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("tracked_project_id", ID, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("acted_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["tracked_project_id"], ["tracked_projects.id"], name=op.f("fk_operator_actions_tracked_project_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator_actions")),
    )


def _make_heartbeats() -> None:
    op.create_table(
        "heartbeats",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("beat_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_heartbeats")),
    )


def _make_render_durations() -> None:
    op.create_table(
        "render_durations",
        sa.Column("kind", sa.String(length=5), nullable=False),
        sa.Column("type", sa.String(length=200), nullable=False),
        sa.Column("age_from", sa.Double(), nullable=False),
        sa.Column("age_to", sa.Double(), nullable=False),
        sa.Column("hazard", sa.Double(), nullable=False),
        sa.Column("learned_from", sa.Integer(), nullable=False),
        sa.Column("learned_at", TIME, nullable=False),
        sa.CheckConstraint("hazard >= 0", name=op.f("ck_render_durations_hazard")),
        sa.PrimaryKeyConstraint("kind", "type", "age_from", name=op.f("pk_render_durations")),
    )
