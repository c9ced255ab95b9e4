"""Leases of their own: beginning a batch and counting what is in flight no longer write and read projects."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
IDS = sa.JSON(none_as_null=True).with_variant(postgresql.ARRAY(sa.BigInteger()), "postgresql")
_WHERE = sa.text("lease_token IS NOT NULL")
# Room on each page for what a claim writes, and a vacuum before a million closed projects allow for as many dead rows:
# each check leaves two. Measured with benchmarks/speed/bloat.py; docs/decisions/0033-leases.md has the figures.
_STORAGE: dict[str, dict[str, float]] = {
    "tracked_projects": {
        "fillfactor": 85,
        "autovacuum_vacuum_threshold": 1000,
        "autovacuum_vacuum_scale_factor": 0.02,
    },
    "leases": {"autovacuum_vacuum_threshold": 1000, "autovacuum_vacuum_scale_factor": 0},
}


def upgrade() -> None:
    """Make the table. Batches that are under way are not in it: they come due again when their leases end."""
    op.create_table(
        "leases",
        sa.Column("token", sa.String(length=36), nullable=False),
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("tracked_project_ids", IDS, nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("leased_until", TIME, nullable=False),
        sa.Column("begun_at", TIME, nullable=True),
        sa.CheckConstraint("size > 0", name=op.f("ck_leases_size")),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name=op.f("fk_leases_account")),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_leases")),
    )
    # Nobody looks projects up by it any more, and it kept each claim from being a heap-only update.
    op.drop_index("ix_tracked_projects_lease_token", "tracked_projects")
    if op.get_context().dialect.name == "postgresql":
        for table, options in _STORAGE.items():
            settings = ", ".join(f"{name} = {value}" for name, value in options.items())
            op.execute(f"ALTER TABLE {table} SET ({settings})")


def downgrade() -> None:
    """Go back to leases that are known by their projects alone."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE tracked_projects RESET ({', '.join(_STORAGE['tracked_projects'])})")
    op.create_index(
        "ix_tracked_projects_lease_token",
        "tracked_projects",
        ["lease_token"],
        sqlite_where=_WHERE,
        postgresql_where=_WHERE,
    )
    op.drop_table("leases")
