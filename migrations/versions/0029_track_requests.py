"""Tracking requests that other services send in SQL, in their own transactions.

On PostgreSQL they call a function and have no right to the table; on SQLite they insert into the table.
"""

import sqlalchemy as sa
from alembic import op

from migrations.words import words

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
TRACK = "track_project(text, text, text, bigint, jsonb, jsonb, text)"
STATUS = "track_request_status(bigint)"


def upgrade() -> None:
    """Add the table and the functions, and let a rejected request name the row that it was."""
    op.create_table(
        "track_requests",
        sa.Column("id", ID, nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("sent_by", sa.String(length=200), nullable=True),
        sa.Column("sent_at", TIME, server_default=sa.func.now(), nullable=False),
        sa.Column("retry_at", TIME, nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.CheckConstraint("length(request) <= 65536", name=op.f("ck_track_requests_at_most_65536_characters")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_track_requests")),
        sqlite_autoincrement=True,
    )
    op.add_column("rejected_requests", sa.Column("track_request_id", sa.BigInteger(), nullable=True))
    op.add_column("rejected_requests", sa.Column("sent_by", sa.String(length=200), nullable=True))
    of_a_row = sa.text("track_request_id IS NOT NULL")
    op.create_index(
        "ix_rejected_requests_track_request_id",
        "rejected_requests",
        ["track_request_id"],
        sqlite_where=of_a_row,
        postgresql_where=of_a_row,
    )
    if words().postgresql:
        _create_functions()


def _create_functions() -> None:
    """Create the functions. They run with their owner's rights, so they find nothing through a caller's search path."""
    safely = "SECURITY DEFINER SET search_path = pg_catalog, pg_temp"
    _create(f"""
CREATE FUNCTION track_project(
  kind text, project_id text, account text DEFAULT 'default', credits_charged bigint DEFAULT NULL,
  metadata jsonb DEFAULT NULL, notify jsonb DEFAULT NULL, type text DEFAULT NULL
) RETURNS bigint LANGUAGE sql VOLATILE {safely} AS $$
  INSERT INTO our_schema.track_requests (request, sent_by, sent_at)
  VALUES (
    CAST(
      jsonb_strip_nulls(jsonb_build_object(
        'kind', $1, 'project_id', $2, 'account', $3, 'credits_charged', $4, 'type', $7))
      || CASE WHEN $5 IS NULL THEN '{{}}' ELSE jsonb_build_object('metadata', $5) END
      || CASE WHEN $6 IS NULL THEN '{{}}' ELSE jsonb_build_object('notify', $6) END
    AS text),
    session_user, clock_timestamp())
  RETURNING id
$$""")
    _create(f"""
CREATE FUNCTION track_request_status(request_id bigint)
RETURNS TABLE (state text, reason text, since timestamptz) LANGUAGE sql STABLE {safely} AS $$
  SELECT 'waiting', w.problem, w.sent_at FROM our_schema.track_requests w WHERE w.id = $1 AND w.sent_by = session_user
  UNION ALL
  SELECT 'rejected', r.reason, r.rejected_at FROM our_schema.rejected_requests r
  WHERE r.track_request_id = $1 AND r.sent_by = session_user
$$""")
    for function in (TRACK, STATUS):
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")


def _create(function: str) -> None:
    """Create a function that names our tables with their schema, which only the database knows."""
    op.execute(f"""
DO $do$
BEGIN
  EXECUTE replace($create${function}
$create$, 'our_schema.', quote_ident(current_schema()) || '.');
END
$do$""")


def downgrade() -> None:
    """Drop them. What waits there is lost, so drain it first: let a worker run until the table is empty."""
    if words().postgresql:
        for function in (TRACK, STATUS):
            op.execute(f"DROP FUNCTION {function}")
    op.drop_index("ix_rejected_requests_track_request_id", "rejected_requests")
    op.drop_column("rejected_requests", "sent_by")
    op.drop_column("rejected_requests", "track_request_id")
    op.drop_table("track_requests")
