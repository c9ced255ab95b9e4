"""Rejected requests are kept whole, and say how long they were."""

import sqlalchemy as sa
from alembic import op

from migrations.words import words

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the length, and the view for readers. Rows of before have no length: they may have been cut."""
    op.add_column("rejected_requests", sa.Column("request_bytes", sa.BigInteger(), nullable=True))
    length = words().pick("octet_length(r.request)", "length(CAST(r.request AS blob))")
    op.execute(f"""
CREATE VIEW rejections AS
SELECT r.id, r.rejected_at, r.reason, r.request, coalesce(r.request_bytes, {length}) AS request_bytes,
  coalesce(r.request_bytes > {length}, false) AS is_cut
FROM rejected_requests r""")


def downgrade() -> None:
    """Drop both."""
    op.execute("DROP VIEW rejections")
    op.drop_column("rejected_requests", "request_bytes")
