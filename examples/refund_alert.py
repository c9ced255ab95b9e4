"""A job for cron: say whose credits have not come back although the render failed or was canceled. Exits 1 if any."""

import os
import sys

import psycopg

QUERY = """
SELECT account, count(*) AS projects, sum(outstanding_credits) AS outstanding, min(finished_at) AS oldest
FROM refunds_outstanding
WHERE outstanding_seconds > %s
GROUP BY account ORDER BY outstanding DESC
"""


def main(hours: float) -> int:
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:  # of a role of renderwatch db grant-reader
        rows = connection.execute(QUERY, [hours * 3600]).fetchall()
    for account, projects, outstanding, oldest in rows:
        print(
            f"account {account}: {outstanding} credits of {projects} projects are outstanding, the first since {oldest}"
        )
    return 1 if rows else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
