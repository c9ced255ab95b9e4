"""Metadata that can be found: a row for each key, which triggers write whatever program adds the project."""

import importlib

import sqlalchemy as sa
from alembic import op

from migrations.words import Words, words

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None
contracts = False

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
VIEWS = ("project_metadata", "credit_ledger_metadata")
_MOST_KEYS = 50
_LONGEST = 200


def upgrade() -> None:
    """Make the table and its triggers; PostgreSQL is filled afterwards, in batches beside the work."""
    w = words()
    op.create_table(
        "metadata_values",
        sa.Column("tracked_project_id", ID, autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        # With the value, for index-only scans of the projects of some days.
        sa.PrimaryKeyConstraint(
            "tracked_project_id", "key", name=op.f("pk_metadata_values"), postgresql_include=["value"]
        ),
    )
    op.create_index(
        "ix_metadata_values_value",
        "metadata_values",
        ["key", "value", "tracked_project_id"],
        postgresql_ops={"value": "text_pattern_ops"},
    )
    op.create_table(
        "metadata_fill",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("unfilled_upto", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_metadata_fill_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_metadata_fill")),
    )
    for statement in _POSTGRESQL if w.postgresql else _SQLITE:
        op.execute(statement)
    for view, query in _views(w).items():
        _replace(w, view, query)


def downgrade() -> None:
    """Let the views read the projects again, and drop the rest."""
    w = words()
    for view, query in _former_views(w).items():
        op.execute(f"DROP VIEW {view}")
        op.execute(f"CREATE VIEW {view} AS {query}")
    for event in ("inserted", "updated", "deleted"):
        on = " ON tracked_projects" if w.postgresql else ""
        op.execute(f"DROP TRIGGER tracked_projects_metadata_{event}{on}")
    if w.postgresql:
        op.execute("DROP FUNCTION renderwatch_unfilled_metadata")
        op.execute("DROP FUNCTION renderwatch_keep_metadata")
        op.execute("DROP FUNCTION renderwatch_metadata_rows")
    op.drop_table("metadata_fill")
    op.drop_index("ix_metadata_values_value", table_name="metadata_values")
    op.drop_table("metadata_values")


# Statements at a time, not rows: tracking a batch costs one more INSERT.
_POSTGRESQL = (
    f"""
CREATE FUNCTION renderwatch_metadata_rows(document jsonb) RETURNS TABLE (key text, value text)
LANGUAGE sql IMMUTABLE AS $$
  SELECT m.key, CASE WHEN m.type NOT IN ('object', 'array') AND length(m.value) <= {_LONGEST} THEN m.value END
  FROM (
    SELECT e.key, jsonb_typeof(e.value) AS type, coalesce(e.value #>> '{{}}', 'null') AS value
    FROM jsonb_each(CASE WHEN jsonb_typeof(document) = 'object' THEN document ELSE '{{}}' END) e
    WHERE length(e.key) <= {_LONGEST} ORDER BY e.key COLLATE "C" LIMIT {_MOST_KEYS}) m
$$
""",
    """
CREATE FUNCTION renderwatch_keep_metadata() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO metadata_values (tracked_project_id, key, value)
    SELECT p.id, m.key, m.value FROM given p CROSS JOIN LATERAL renderwatch_metadata_rows(p.metadata) m;
  ELSIF TG_OP = 'UPDATE' THEN
    DELETE FROM metadata_values WHERE tracked_project_id = NEW.id;
    INSERT INTO metadata_values (tracked_project_id, key, value)
    SELECT NEW.id, m.key, m.value FROM renderwatch_metadata_rows(NEW.metadata) m;
  ELSE
    DELETE FROM metadata_values WHERE tracked_project_id IN (SELECT p.id FROM gone p);
  END IF;
  RETURN NULL;
END
$$
""",
    """
CREATE TRIGGER tracked_projects_metadata_inserted AFTER INSERT ON tracked_projects
REFERENCING NEW TABLE AS given FOR EACH STATEMENT EXECUTE FUNCTION renderwatch_keep_metadata()
""",
    """
CREATE TRIGGER tracked_projects_metadata_updated AFTER UPDATE OF metadata ON tracked_projects
FOR EACH ROW WHEN (OLD.metadata IS DISTINCT FROM NEW.metadata) EXECUTE FUNCTION renderwatch_keep_metadata()
""",
    """
CREATE TRIGGER tracked_projects_metadata_deleted AFTER DELETE ON tracked_projects
REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION renderwatch_keep_metadata()
""",
    # Everything newer has its rows from the trigger: no writer is left that began before it.
    "INSERT INTO metadata_fill (id, unfilled_upto) SELECT 1, coalesce(max(id), 0) FROM tracked_projects",
    # A function, because the planner asks it beforehand, and sees that no project is left to read.
    """
CREATE FUNCTION renderwatch_unfilled_metadata() RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  RETURN (SELECT f.unfilled_upto FROM metadata_fill f);
END
$$
""",
)


def _sqlite_rows(project: str) -> str:
    return f"""
  SELECT {project}.id AS id, e.key AS key, CASE e.type WHEN 'object' THEN NULL WHEN 'array' THEN NULL
      WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' WHEN 'null' THEN 'null'
      ELSE CASE WHEN length(CAST(e.value AS text)) <= {_LONGEST} THEN CAST(e.value AS text) END END AS value"""


_EACH = "json_each(CASE WHEN json_type({0}.metadata) = 'object' THEN {0}.metadata ELSE '{{}}' END) e"
_STORE = f"""INSERT INTO metadata_values (tracked_project_id, key, value)
  {_sqlite_rows("NEW")}
  FROM {_EACH.format("NEW")} WHERE length(e.key) <= {_LONGEST} ORDER BY e.key LIMIT {_MOST_KEYS}"""
_REMOVE = "DELETE FROM metadata_values WHERE tracked_project_id = OLD.id"
_SQLITE = (
    f"CREATE TRIGGER tracked_projects_metadata_inserted AFTER INSERT ON tracked_projects BEGIN {_STORE}; END",
    (
        "CREATE TRIGGER tracked_projects_metadata_updated AFTER UPDATE OF metadata ON tracked_projects"
        f" WHEN OLD.metadata IS NOT NEW.metadata BEGIN {_REMOVE}; {_STORE}; END"
    ),
    f"CREATE TRIGGER tracked_projects_metadata_deleted AFTER DELETE ON tracked_projects BEGIN {_REMOVE}; END",
    "INSERT INTO metadata_fill (id, unfilled_upto) VALUES (1, 0)",
    # Writers take turns on SQLite anyway, so it is filled at once.
    f"""
INSERT INTO metadata_values (tracked_project_id, key, value)
SELECT m.id, m.key, m.value FROM (
  {_sqlite_rows("p")}, row_number() OVER (PARTITION BY p.id ORDER BY e.key) AS number
  FROM tracked_projects p, {_EACH.format("p")} WHERE length(e.key) <= {_LONGEST}) m
WHERE m.number <= {_MOST_KEYS}""",
)


def _replace(w: Words, view: str, query: str) -> None:
    if not w.postgresql:
        op.execute(f"DROP VIEW {view}")
    op.execute(f"{w.pick('CREATE OR REPLACE VIEW', 'CREATE VIEW')} {view} AS {query}")


def _former_views(w: Words) -> dict[str, str]:
    """Return the two views as the steps before left them."""
    return {
        VIEWS[0]: importlib.import_module("migrations.versions.0006_reader_views")._project_metadata(w),  # noqa: SLF001
        VIEWS[1]: importlib.import_module("migrations.versions.0007_books")._ledger_metadata(w),  # noqa: SLF001
    }


_METADATA = "p.kind, p.project_id, p.account, p.type, {key} AS key, {value} AS value, p.status, p.credits_charged, \
p.tracked_at, p.finished_at, p.state"
_LEDGER = "{key} AS key, {value} AS value, p.kind, p.project_id, p.account, p.type, a.sequence, a.reason, \
a.amount AS amount_credits, a.observed_at"


def _views(w: Words) -> dict[str, str]:
    metadata = "metadata_values m JOIN tracked_projects p ON p.id = m.tracked_project_id"
    # The outer join lets the planner leave the projects out of sums that name none of their columns.
    ledger = (
        "credit_adjustments a JOIN metadata_values m ON m.tracked_project_id = a.tracked_project_id"
        " LEFT JOIN tracked_projects p ON p.id = a.tracked_project_id"
    )
    entries = "credit_adjustments a JOIN tracked_projects p ON p.id = a.tracked_project_id"
    return {
        VIEWS[0]: _union(w, _METADATA, metadata, "tracked_projects p"),
        VIEWS[1]: _union(w, _LEDGER, ledger, entries),
    }


def _union(w: Words, columns: str, found: str, unfilled: str) -> str:
    """Read short values from the table, all others from the projects, and everything of those not filled yet."""
    text = "CASE e.type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(e.value AS text) END"
    whole = w.pick("p.metadata ->> m.key", f"(SELECT {text} FROM json_each(p.metadata) e WHERE e.key = m.key)")
    parts = [
        f"SELECT {columns.format(key='m.key', value='m.value')}\nFROM {found} WHERE m.value <> 'null'",
        f"SELECT {columns.format(key='m.key', value=whole)}\nFROM {found} WHERE m.value IS NULL OR m.value = 'null'",
    ]
    if w.postgresql:
        parts.append(
            f"SELECT {columns.format(key='e.key', value='e.value')}\nFROM {unfilled}"
            " CROSS JOIN jsonb_each_text(p.metadata) e WHERE p.id <= renderwatch_unfilled_metadata()"
        )
    return "\nUNION ALL\n".join(parts)
