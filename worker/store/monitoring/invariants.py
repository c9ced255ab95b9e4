"""What must hold in the database at any time, as queries that count violations.

Most of them are CHECK and UNIQUE constraints too, or follow from the code. The queries are plain SQL on purpose: they
share nothing with the models and expressions that they check, and an operator can run them by hand.
"""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, text

from worker.store.ledger.bounded_amounts import BOUNDED_AMOUNT

_LARGEST_ID: Final = 2**63 - 1
# Violation -> the query that counts it among projects with ids above :after and up to :upto.
_BY_PROJECT: Final[Mapping[str, str]] = {
    "ledgers whose sum is not the project's credits": """
        SELECT count(*) FROM tracked_projects p WHERE p.id > :after AND p.id <= :upto
        AND coalesce(p.credits_charged, 0) <> (
          SELECT coalesce(sum(a.amount), 0) FROM credit_adjustments a WHERE a.tracked_project_id = p.id)""",
    "ledger entries whose total is not the one before plus the amount": """
        SELECT count(*) FROM (
          SELECT amount, total, coalesce(lag(total) OVER (PARTITION BY tracked_project_id ORDER BY sequence), 0) AS old
          FROM credit_adjustments WHERE tracked_project_id > :after AND tracked_project_id <= :upto
        ) e WHERE e.total <> e.old + e.amount""",
    "transitions that do not start where the one before ended": """
        SELECT count(*) FROM (
          SELECT sequence, from_status,
            lag(to_status) OVER (PARTITION BY tracked_project_id ORDER BY sequence) AS old
          FROM status_transitions WHERE tracked_project_id > :after AND tracked_project_id <= :upto
        ) t WHERE t.sequence > 1 AND t.from_status <> coalesce(t.old, '')""",
    "projects whose status is not that of their last transition": """
        SELECT count(*) FROM tracked_projects p WHERE p.id > :after AND p.id <= :upto
        AND coalesce(p.status, '') <> coalesce((
          SELECT t.to_status FROM status_transitions t
          WHERE t.tracked_project_id = p.id ORDER BY t.sequence DESC LIMIT 1), '')""",
    "projects whose history has gaps": """
        SELECT count(*) FROM tracked_projects p WHERE p.id > :after AND p.id <= :upto AND (
          p.transition_count <> (SELECT count(*) FROM status_transitions t WHERE t.tracked_project_id = p.id)
          OR p.adjustment_count <> (SELECT count(*) FROM credit_adjustments a WHERE a.tracked_project_id = p.id)
          OR p.event_count <> (SELECT count(*) FROM events e WHERE e.tracked_project_id = p.id))""",
    "finished projects without the event that says so": """
        SELECT count(*) FROM tracked_projects p WHERE p.id > :after AND p.id <= :upto
        AND p.finished_at IS NOT NULL AND NOT EXISTS (
          SELECT 1 FROM events e WHERE e.tracked_project_id = p.id AND e.dedup_key = 'finished')""",
    "open projects that are not scheduled": """
        SELECT count(*) FROM tracked_projects p WHERE p.id > :after AND p.id <= :upto
        AND p.state <> 'closed' AND p.next_check_at IS NULL""",
    "closed projects without a reason": """
        SELECT count(*) FROM tracked_projects p WHERE p.id > :after AND p.id <= :upto
        AND (p.state = 'closed') <> (p.close_reason IS NOT NULL)""",
    "projects that are not found by their metadata": """
        SELECT count(*) FROM tracked_projects p WHERE p.id > :after AND p.id <= :upto
        AND p.id > (SELECT unfilled_upto FROM metadata_fill) AND CAST(p.metadata AS text) NOT IN ('{}', 'null')
        AND NOT EXISTS (SELECT 1 FROM metadata_values m WHERE m.tracked_project_id = p.id)""",
}

# The same for rows that belong to no project.
_WHOLE: Final[Mapping[str, str]] = {
    "months whose daily totals differ from the ledger and what retention removed": f"""
        SELECT count(*) FROM (
          SELECT month FROM (
            SELECT substr(CAST(day AS text), 1, 7) AS month, charged + corrected + refunded AS net
            FROM credit_daily_totals
            UNION ALL SELECT substr(CAST(observed_at AS text), 1, 7), -({BOUNDED_AMOUNT}) FROM credit_adjustments
            WHERE observed_at < (SELECT booked_until FROM books)
            UNION ALL SELECT substr(CAST(month AS text), 1, 7), -(charged + corrected + refunded)
            FROM retired_credits) e GROUP BY month HAVING sum(net) <> 0) m""",  # noqa: S608  our own words
}


def violations(connection: Connection) -> dict[str, int]:
    """Count the violations of each invariant; all numbers are 0 in a healthy database. Reads every row."""
    whole = {name: int(connection.scalar(text(query)) or 0) for name, query in _WHOLE.items()}
    return project_violations(connection, -1, _LARGEST_ID) | whole


def project_violations(connection: Connection, after: int, upto: int) -> dict[str, int]:
    """Count the violations among the projects whose row ids are above ``after`` and not above ``upto``."""
    among = {"after": after, "upto": upto}
    return {name: int(connection.scalar(text(query), among) or 0) for name, query in _BY_PROJECT.items()}
