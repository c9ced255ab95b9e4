"""What the HTTP API and the dashboard need: tokens, sessions, requests by minute, and ways to find things quickly."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
DOCUMENT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
# Only what is rarely written again gets an index here: one on what every check changes would slow every check down.
PARTIAL = {
    "ix_tracked_projects_error_code": (
        "tracked_projects",
        ["finished_at", "error_code"],
        "status IN ('error', 'canceled')",
    ),
    "ix_deliveries_dead_id": ("deliveries", ["id"], "state = 'dead'"),
}


def upgrade() -> None:
    """Make the tables and indexes."""
    _make_tables()
    for name, (table, columns, condition) in PARTIAL.items():
        where = sa.text(condition)
        op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """Drop them."""
    for name, (table, *_) in PARTIAL.items():
        op.drop_index(name, table)
    for table in ("request_minutes", "web_sessions", "api_tokens"):
        op.drop_table(table)


def _make_tables() -> None:
    op.create_table(
        "api_tokens",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", DOCUMENT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("last_used_at", TIME, nullable=True),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_tokens_token_hash")),
    )
    op.create_table(
        "web_sessions",
        sa.Column("cookie_hash", sa.String(length=64), nullable=False),
        sa.Column("token_id", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["token_id"], ["api_tokens.id"], name=op.f("fk_web_sessions_token_id")),
        sa.PrimaryKeyConstraint("cookie_hash", name=op.f("pk_web_sessions")),
    )
    op.create_index("ix_web_sessions_expires_at", "web_sessions", ["expires_at"])
    op.create_table(
        "request_minutes",
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("minute", TIME, nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account", "minute", name=op.f("pk_request_minutes")),
    )
