"""What must hold in the database at any time, as queries that count where it does not.

Most of these are CHECK and UNIQUE constraints or follow from the code; here they are looked at from outside.
"""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, text

# What must never be -> how many rows there are of it.
_QUERIES: Final[Mapping[str, str]] = {
    "ledgers whose sum is not the project's credits": """
        SELECT count(*) FROM tracked_projects p WHERE coalesce(p.credits_charged, 0) <> (
          SELECT coalesce(sum(a.amount), 0) FROM credit_adjustments a WHERE a.tracked_project_id = p.id)""",
    "ledger entries whose total is not the one before plus the amount": """
        SELECT count(*) FROM (
          SELECT amount, total, coalesce(lag(total) OVER (PARTITION BY tracked_project_id ORDER BY sequence), 0) AS old
          FROM credit_adjustments) e WHERE e.total <> e.old + e.amount""",
    "transitions that do not start where the one before ended": """
        SELECT count(*) FROM (
          SELECT sequence, from_status,
            lag(to_status) OVER (PARTITION BY tracked_project_id ORDER BY sequence) AS old
          FROM status_transitions) t WHERE t.sequence > 1 AND t.from_status <> coalesce(t.old, '')""",
    "projects whose status is not that of their last transition": """
        SELECT count(*) FROM tracked_projects p WHERE coalesce(p.status, '') <> coalesce((
          SELECT t.to_status FROM status_transitions t
          WHERE t.tracked_project_id = p.id ORDER BY t.sequence DESC LIMIT 1), '')""",
    "projects whose history has gaps": """
        SELECT count(*) FROM tracked_projects p WHERE
          p.transition_count <> (SELECT count(*) FROM status_transitions t WHERE t.tracked_project_id = p.id)
          OR p.adjustment_count <> (SELECT count(*) FROM credit_adjustments a WHERE a.tracked_project_id = p.id)
          OR p.event_count <> (SELECT count(*) FROM events e WHERE e.tracked_project_id = p.id)""",
    "finished projects without the event that says so": """
        SELECT count(*) FROM tracked_projects p WHERE p.finished_at IS NOT NULL AND NOT EXISTS (
          SELECT 1 FROM events e WHERE e.tracked_project_id = p.id AND e.dedup_key = 'finished')""",
    "months whose books are not the ledger and what retention removed": """
        SELECT count(*) FROM (
          SELECT month FROM (
            SELECT substr(CAST(day AS text), 1, 7) AS month, charged + corrected + refunded AS net
            FROM credit_daily_totals
            UNION ALL SELECT substr(CAST(observed_at AS text), 1, 7), -amount FROM credit_adjustments
            WHERE observed_at < (SELECT booked_until FROM books)
            UNION ALL SELECT substr(CAST(month AS text), 1, 7), -(charged + corrected + refunded)
            FROM retired_credits) e GROUP BY month HAVING sum(net) <> 0) m""",
    "open projects that are not scheduled": """
        SELECT count(*) FROM tracked_projects WHERE state <> 'closed' AND next_check_at IS NULL""",
    "closed projects without a reason": """
        SELECT count(*) FROM tracked_projects WHERE (state = 'closed') <> (close_reason IS NOT NULL)""",
}


def violations(connection: Connection) -> dict[str, int]:
    """Count the violations of each invariant; all numbers are 0 in a healthy database."""
    return {name: int(connection.scalar(text(query)) or 0) for name, query in _QUERIES.items()}
