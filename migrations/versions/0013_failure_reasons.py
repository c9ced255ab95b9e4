"""Why a check failed, which fields of an answer were odd, and when an account was last found to answer."""

import importlib

import sqlalchemy as sa
from alembic import op

from migrations.words import Words, words

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
COLUMNS = (
    ("tracked_projects", "last_problem_detail", sa.Text()),
    ("tracked_projects", "last_problem_message", sa.Text()),
    ("tracked_projects", "last_problem_at", TIME),
    ("tracked_projects", "failing_since", TIME),
    ("tracked_projects", "odd_fields", sa.Text()),
    ("accounts", "answered_at", TIME),
    ("accounts", "pause_detail", sa.Text()),
)
INDEX = "ix_tracked_projects_odd"
_REASON = "p.last_problem_detail, p.last_problem_message, p.last_problem_at, p.failing_since"
# What each view gains, at its end: PostgreSQL takes new columns nowhere else.
ADDED = {
    "projects": f"p.failure_count, p.last_problem, {_REASON}, p.odd_fields",
    "open_projects": f"{_REASON}, p.odd_fields",
    "stalled_projects": f"p.failure_count, {_REASON}",
    "account_status": "a.pause_detail, a.answered_at",
}


_ODD_ANSWERS = """
SELECT p.account, p.kind, {field} AS field, count(*) AS projects, max(p.last_observed_at) AS observed_at
FROM tracked_projects p CROSS JOIN {each}
WHERE p.odd_fields IS NOT NULL GROUP BY p.account, p.kind, {field}"""


def upgrade() -> None:
    """Make the columns, and show them."""
    for table, name, type_ in COLUMNS:
        op.add_column(table, sa.Column(name, type_, nullable=True))
    where = sa.text("odd_fields IS NOT NULL")
    op.create_index(INDEX, "tracked_projects", ["account", "kind"], sqlite_where=where, postgresql_where=where)
    w = words()
    for view, columns_ in ADDED.items():
        before, after = _queries(w)[view].split("\nFROM ", 1)
        if not w.postgresql:
            op.execute(f"DROP VIEW {view}")
        create = w.pick("CREATE OR REPLACE VIEW", "CREATE VIEW")
        op.execute(f"{create} {view} AS {before}, {columns_}\nFROM {after}")
    op.execute(f"CREATE VIEW odd_answers AS {_odd_answers(w)}")


def downgrade() -> None:
    """Go back to the views of before, then drop the columns."""
    op.execute("DROP VIEW odd_answers")
    w = words()
    queries = _queries(w)
    views = ["tracker_health", *ADDED]  # it reads open_projects
    for view in views:
        op.execute(f"DROP VIEW {view}")
    for view in reversed(views):
        op.execute(f"CREATE VIEW {view} AS {queries[view]}")
    op.drop_index(INDEX, table_name="tracked_projects")
    for table, name, _ in COLUMNS:
        op.drop_column(table, name)


def _queries(w: Words) -> dict[str, str]:
    """Return the views as the step that made them has them."""
    made: dict[str, str] = importlib.import_module("migrations.versions.0006_reader_views")._views(w)  # noqa: SLF001
    return made


def _odd_answers(w: Words) -> str:
    field = w.pick("f.field", "f.value")
    each = w.pick(
        "unnest(string_to_array(p.odd_fields, ',')) AS f(field)",
        """json_each('["' || replace(p.odd_fields, ',', '","') || '"]') f""",
    )
    return _ODD_ANSWERS.format(field=field, each=each)
