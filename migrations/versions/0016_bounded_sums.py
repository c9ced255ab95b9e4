"""Reports of credits that no entry can stop: an amount beyond 10^12 counts as 10^12 in sums."""

from alembic import op

from migrations.words import Words, words

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_MOST = 10**12
_BOUNDED = f"CASE WHEN a.amount > {_MOST} THEN {_MOST} WHEN a.amount < {-_MOST} THEN {-_MOST} ELSE a.amount END"


def upgrade() -> None:
    """Bound the amounts of days that are not closed, and of spans between two balances."""
    _define(_BOUNDED)


def downgrade() -> None:
    """Add them up as they are."""
    _define("a.amount")


def _define(amount: str) -> None:
    w = words()
    for name, query in (("credit_spend_daily", _spend_daily(w, amount)), ("account_balances", _balances(amount))):
        if w.postgresql:
            op.execute(f"CREATE OR REPLACE VIEW {name} AS {query}")
        else:
            op.execute(f"DROP VIEW {name}")
            op.execute(f"CREATE VIEW {name} AS {query}")


def _spend_daily(w: Words, amount: str) -> str:
    day = w.day("a.observed_at")
    midnight = w.pick("renderwatch_unbooked_since()", "(SELECT b.booked_until FROM books b)")

    def total(*reasons: str) -> str:
        listed = ", ".join(f"'{reason}'" for reason in reasons)
        return f"CAST(sum(CASE WHEN a.reason IN ({listed}) THEN {amount} ELSE 0 END) AS bigint)"

    return f"""
SELECT d.day, d.account, d.kind, nullif(d.type, '') AS type, d.entries, d.charged AS charged_credits,
  d.corrected AS corrected_credits, d.refunded AS refunded_credits,
  d.charged + d.corrected + d.refunded AS net_credits, true AS is_booked
FROM credit_daily_totals d
UNION ALL
SELECT {day}, p.account, p.kind, p.type, count(*), {total("charge", "estimate")}, {total("final", "correction")},
  {total("refund")}, CAST(sum({amount}) AS bigint), false
FROM credit_adjustments a JOIN tracked_projects p ON p.id = a.tracked_project_id
WHERE a.observed_at >= {midnight}
GROUP BY {day}, p.account, p.kind, p.type"""


def _balances(amount: str) -> str:
    return f"""
SELECT s.account, s.observed_at, s.credits AS balance_credits, before.observed_at AS previous_at,
  before.credits AS previous_credits,
  (SELECT CAST(coalesce(sum({amount}), 0) AS bigint) FROM credit_adjustments a
   JOIN tracked_projects p ON p.id = a.tracked_project_id AND p.account = s.account
   WHERE a.observed_at > before.observed_at AND a.observed_at <= s.observed_at) AS ledger_credits
FROM balance_samples s LEFT JOIN balance_samples before ON before.account = s.account AND before.observed_at = (
  SELECT max(e.observed_at) FROM balance_samples e WHERE e.account = s.account AND e.observed_at < s.observed_at)"""
