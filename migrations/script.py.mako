"""${message}."""

# A deployment runs the processes of the version before on these tables for a while, and may go back to it. So:
# - Expand first: add tables, columns that may be NULL or have a default, views with more columns. Contract (drop, rename,
#   tighten) a release later, when nothing that still runs needs what goes; then say ``contracts = True`` below.
# - Every lock is waited for 3 seconds at most, then all is undone and tried again: no step may hold a table for long.
#   An index on a table that has rows is made CONCURRENTLY, after the statements that belong together:
#       with op.get_context().autocommit_block():
#           op.create_index(..., postgresql_concurrently=True, if_not_exists=True)
#   That commits what came before, so the step must bear to be run again from its beginning.
# - A column is filled in batches, by maintenance and not here. A constraint on a large table is added NOT VALID, and
#   validated in a later step.
# - Names without a schema: RENDERWATCH_DATABASE_SCHEMA chooses it. Functions SET search_path FROM CURRENT.
import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None
contracts = False


def upgrade() -> None:
    """Go one step up."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Go one step down."""
    ${downgrades if downgrades else "pass"}
