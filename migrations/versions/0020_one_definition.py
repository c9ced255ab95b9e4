"""Readers' views say paused and overdue as the program does (worker/store/monitoring/definitions.py)."""

import importlib

from alembic import op

from migrations.words import Words, words

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Redefine the two columns, and the count of paused accounts."""
    w = words()
    views = _views(w)
    paused = f"coalesce(a.paused_until > {w.now}, false)"
    probed = "a.paused_until IS NOT NULL AND coalesce(a.pause_reason, '') <> 'rate_limited'"
    overdue = f"p.next_check_at < {w.earlier(120)} AND coalesce(p.leased_until <= {w.now}, true) AS is_overdue"
    changes = {
        "account_status": (f"{paused} AS is_paused", f"({paused} OR ({probed})) AS is_paused"),
        "open_projects": (overdue, f"p.next_check_at < {w.earlier(120)} AS is_overdue"),
        "tracker_health": (
            f"FROM accounts a WHERE a.paused_until > {w.now}",
            "FROM account_status a WHERE a.is_paused",
        ),
    }
    for view, (before, after) in changes.items():
        if views[view].count(before) != 1:
            raise ValueError(f"the view {view} is not what this step changes")
        _replace(w, view, views[view].replace(before, after))


def downgrade() -> None:
    """Go back to what these columns meant before."""
    w = words()
    for view, query in _views(w).items():
        _replace(w, view, query)


def _replace(w: Words, view: str, query: str) -> None:
    if not w.postgresql:
        op.execute(f"DROP VIEW {view}")
    op.execute(f"{w.pick('CREATE OR REPLACE VIEW', 'CREATE VIEW')} {view} AS {query}")


def _views(w: Words) -> dict[str, str]:
    """Return the three views as the steps before left them."""
    made = importlib.import_module("migrations.versions.0006_reader_views")._views(w)  # noqa: SLF001
    added = importlib.import_module("migrations.versions.0013_failure_reasons").ADDED
    views = {}
    for view in ("account_status", "open_projects", "tracker_health"):
        before, after = made[view].split("\nFROM ", 1)
        views[view] = f"{before}, {added[view]}\nFROM {after}" if view in added else made[view]
    return views
