"""The books: daily totals of the ledger, what accounts could spend, and the views of both."""

import sqlalchemy as sa
from alembic import op

from migrations.words import Words, words

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
VIEWS = ("credit_spend_daily", "credit_spend_monthly", "credit_ledger_metadata", "account_balances")

# A function, because the planner asks it beforehand how few entries are left; what a subquery will give it does not
# know, and reads the whole ledger. It runs with its owner's rights, for readers have none to the table.
_UNBOOKED_SINCE = """
CREATE FUNCTION renderwatch_unbooked_since() RETURNS timestamp with time zone
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  RETURN (SELECT (b.booked_until + time '00:00') AT TIME ZONE 'UTC' FROM books b);
END
$$
"""


def upgrade() -> None:
    """Make the tables and the views."""
    _make_books()
    _make_credit_daily_totals()
    _make_balance_samples()
    w = words()
    if w.postgresql:
        op.execute(_UNBOOKED_SINCE)
    queries = (_spend_daily(w), _spend_monthly(w), _ledger_metadata(w), _balances())
    for name, query in zip(VIEWS, queries, strict=True):
        op.execute(f"CREATE VIEW {name} AS {query}")


def downgrade() -> None:
    """Drop them."""
    for name in reversed(VIEWS):
        op.execute(f"DROP VIEW {name}")
    if words().postgresql:
        op.execute("DROP FUNCTION renderwatch_unbooked_since")
    for table in ("balance_samples", "credit_daily_totals", "books"):
        op.drop_table(table)


def _make_books() -> None:
    op.create_table(
        "books",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("booked_until", sa.Date(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_books_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_books")),
    )
    op.execute("INSERT INTO books (id, booked_until) VALUES (1, '1970-01-01')")


def _make_credit_daily_totals() -> None:
    op.create_table(
        "credit_daily_totals",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=5), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("charged", sa.BigInteger(), nullable=False),
        sa.Column("corrected", sa.BigInteger(), nullable=False),
        sa.Column("refunded", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "account", "kind", "type", name=op.f("pk_credit_daily_totals")),
    )


def _make_balance_samples() -> None:
    op.create_table(
        "balance_samples",
        sa.Column("id", ID, nullable=False),
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name=op.f("fk_balance_samples_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_balance_samples")),
        sa.UniqueConstraint("account", "observed_at", name=op.f("uq_balance_samples_account_observed_at")),
    )


def _spend_daily(w: Words) -> str:
    """Add the days that are not booked yet to those that are: fast, and up to the last entry."""
    day = w.day("a.observed_at")
    midnight = w.pick("renderwatch_unbooked_since()", "(SELECT b.booked_until FROM books b)")

    def total(*reasons: str) -> str:
        listed = ", ".join(f"'{reason}'" for reason in reasons)
        return f"CAST(sum(CASE WHEN a.reason IN ({listed}) THEN a.amount ELSE 0 END) AS bigint)"

    return f"""
SELECT d.day, d.account, d.kind, nullif(d.type, '') AS type, d.entries, d.charged AS charged_credits,
  d.corrected AS corrected_credits, d.refunded AS refunded_credits,
  d.charged + d.corrected + d.refunded AS net_credits, true AS is_booked
FROM credit_daily_totals d
UNION ALL
SELECT {day}, p.account, p.kind, p.type, count(*), {total("charge", "estimate")}, {total("final", "correction")},
  {total("refund")}, CAST(sum(a.amount) AS bigint), false
FROM credit_adjustments a JOIN tracked_projects p ON p.id = a.tracked_project_id
WHERE a.observed_at >= {midnight}
GROUP BY {day}, p.account, p.kind, p.type"""


def _spend_monthly(w: Words) -> str:
    month = w.pick("CAST(date_trunc('month', d.day) AS date)", "substr(d.day, 1, 8) || '01'")

    def total(column: str) -> str:
        return f"CAST(sum(d.{column}) AS bigint) AS {column}"

    columns = ("entries", "charged_credits", "corrected_credits", "refunded_credits", "net_credits")
    return f"""
SELECT {month} AS month, d.account, d.kind, d.type, {", ".join(total(column) for column in columns)}
FROM credit_spend_daily d GROUP BY {month}, d.account, d.kind, d.type"""


def _ledger_metadata(w: Words) -> str:
    value = w.pick(
        "m.value",
        "CASE m.type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(m.value AS text) END",
    )
    each = w.pick("jsonb_each_text(p.metadata)", "json_each(p.metadata)")
    return f"""
SELECT m.key, {value} AS value, p.kind, p.project_id, p.account, p.type, a.sequence, a.reason,
  a.amount AS amount_credits, a.observed_at
FROM credit_adjustments a JOIN tracked_projects p ON p.id = a.tracked_project_id CROSS JOIN {each} m"""


def _balances() -> str:
    return """
SELECT s.account, s.observed_at, s.credits AS balance_credits, before.observed_at AS previous_at,
  before.credits AS previous_credits,
  (SELECT CAST(coalesce(sum(a.amount), 0) AS bigint) FROM credit_adjustments a
   JOIN tracked_projects p ON p.id = a.tracked_project_id AND p.account = s.account
   WHERE a.observed_at > before.observed_at AND a.observed_at <= s.observed_at) AS ledger_credits
FROM balance_samples s LEFT JOIN balance_samples before ON before.account = s.account AND before.observed_at = (
  SELECT max(e.observed_at) FROM balance_samples e WHERE e.account = s.account AND e.observed_at < s.observed_at)"""
