"""Deliveries that consumers confirm, and the circuit of each destination.

The table is read through a few times while it is locked, about a second for two million deliveries. An index that is
made CONCURRENTLY would wait for others that migrate at the same time, and they for it.
"""

import importlib
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

from migrations.words import Words, words

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
OPEN = sa.text("state IN ('pending', 'failed') OR confirm_by IS NOT NULL")
INDEXES = {"ix_deliveries_open": ["destination", "next_attempt_at"], "ix_deliveries_open_created": ["created_at"]}
CHECKS = {
    "state": "state IN ('pending', 'sent', 'confirmed', 'failed', 'dead')",
    "sent": "state NOT IN ('sent', 'confirmed') OR sent_at IS NOT NULL",
    "confirmed": "state <> 'confirmed' OR confirmed_at IS NOT NULL",
}
OLD_CHECKS = {"state": "state IN ('pending', 'sent', 'dead')", "sent": "(state = 'sent') = (sent_at IS NOT NULL)"}
ADDED: Mapping[str, Any] = {
    "leased_until": TIME,
    "confirm_token": sa.String(length=32),
    "confirm_by": TIME,
    "confirmed_at": TIME,
}
# Those that the steps before made: the table is made again where its constraints cannot be changed (SQLite).
OLD_INDEXES = {
    "ix_deliveries_pending": ("next_attempt_at", "state = 'pending'"),
    "ix_deliveries_pending_created": ("created_at", "state = 'pending'"),
    "ix_deliveries_dead": ("created_at", "state = 'dead'"),
    "ix_deliveries_dead_id": ("id", "state = 'dead'"),
}


def upgrade() -> None:
    """Add the columns and the table, and let the state have the new words."""
    w = words()
    _drop_views()
    if w.postgresql:
        for name, type_ in ADDED.items():
            op.add_column("deliveries", sa.Column(name, type_, nullable=True))
        op.alter_column("deliveries", "state", type_=sa.String(length=9))
        _change_checks(OLD_CHECKS, CHECKS)
    else:
        _make_again(CHECKS, ADDED, length=9)
    for index, columns in INDEXES.items():
        op.create_index(index, "deliveries", columns, sqlite_where=OPEN, postgresql_where=OPEN)
    _make_destinations(w)
    _make_views(_views(w))


def downgrade() -> None:
    """Go back: what was confirmed was sent, and what failed is sent again."""
    w = words()
    _drop_views()
    op.drop_table("destinations")
    for index in INDEXES:
        op.drop_index(index, "deliveries")
    op.execute("UPDATE deliveries SET state = 'sent' WHERE state = 'confirmed'")
    op.execute("UPDATE deliveries SET state = 'pending' WHERE state = 'failed' OR confirm_by IS NOT NULL")
    op.execute("UPDATE deliveries SET sent_at = NULL WHERE state <> 'sent' AND sent_at IS NOT NULL")
    if w.postgresql:
        _change_checks(CHECKS, OLD_CHECKS)
        op.alter_column("deliveries", "state", type_=sa.String(length=7))
        for name in ADDED:
            op.drop_column("deliveries", name)
    else:
        _make_again(OLD_CHECKS, {}, length=7)
    _make_views(_views_before(w))


def _change_checks(before: Mapping[str, str], after: Mapping[str, str]) -> None:
    dropped = [f"DROP CONSTRAINT ck_deliveries_{name}" for name in before]
    added = [f"ADD CONSTRAINT ck_deliveries_{name} CHECK ({condition})" for name, condition in after.items()]
    op.execute(f"ALTER TABLE deliveries {', '.join([*dropped, *added])}")


def _make_again(checks: Mapping[str, str], added: Mapping[str, Any], *, length: int) -> None:
    columns: list[sa.Column[Any]] = [
        sa.Column("id", ID, nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("destination", sa.String(length=300), nullable=False),
        sa.Column("state", sa.String(length=length), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", TIME, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("sent_at", TIME, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("first_attempt_at", TIME, nullable=True),
    ]
    names = ", ".join(column.name for column in columns)
    op.create_table(
        "deliveries_",
        *columns,
        *(sa.Column(name, type_, nullable=True) for name, type_ in added.items()),
        *(sa.CheckConstraint(text, name=op.f(f"ck_deliveries_{name}")) for name, text in checks.items()),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_deliveries_event_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("event_id", "destination", name=op.f("uq_deliveries_event_id_destination")),
    )
    op.execute(f"INSERT INTO deliveries_ ({names}) SELECT {names} FROM deliveries")
    op.drop_table("deliveries")
    op.rename_table("deliveries_", "deliveries")
    for name, (column, condition) in OLD_INDEXES.items():
        op.create_index(name, "deliveries", [column], sqlite_where=sa.text(condition))


def _make_destinations(w: Words) -> None:
    op.create_table(
        "destinations",
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("paused", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("probes", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failing_since", TIME, nullable=True),
        sa.Column("open_until", TIME, nullable=True),
        sa.Column("last_success_at", TIME, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("looked_at", TIME, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint("failures >= 0 AND probes >= 0", name=op.f("ck_destinations_counts")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_destinations")),
    )
    op.execute(
        f"INSERT INTO destinations (name, created_at) SELECT DISTINCT destination, {w.now} FROM deliveries"
        " WHERE state = 'pending'"
    )


def _drop_views() -> None:
    for view in ("delivery_backlog", "tracker_health"):
        op.execute(f"DROP VIEW {view}")


def _make_views(queries: Mapping[str, str]) -> None:
    for view, query in queries.items():
        op.execute(f"CREATE VIEW {view} AS {query}")


def _views_before(w: Words) -> dict[str, str]:
    """Return the views whose queries name a delivery's state, as the steps before left them."""
    backlog = importlib.import_module("migrations.versions.0006_reader_views")._delivery_backlog(w)  # noqa: SLF001
    health = importlib.import_module("migrations.versions.0020_one_definition")._views(w)["tracker_health"]  # noqa: SLF001
    health = health.replace(
        f"FROM accounts a WHERE a.paused_until > {w.now}", "FROM account_status a WHERE a.is_paused"
    )
    return {"delivery_backlog": backlog, "tracker_health": health}


def _views(w: Words) -> dict[str, str]:
    views = _views_before(w)
    is_open = "(d.state IN ('pending', 'failed') OR d.confirm_by IS NOT NULL)"
    backlog = views["delivery_backlog"].replace("d.last_error", "d.last_error, d.sent_at, d.confirm_by")
    backlog = backlog.replace("LIKE 'celery:%'", "LIKE 'celery%'").replace("d.state =  'pending'", is_open)
    count = "(SELECT count(*) FROM deliveries d WHERE {}) AS {}"
    before = count.format("d.state = 'pending'", "pending_deliveries")
    waiting = count.format(f"{is_open} AND d.state IN ('pending', 'failed')", "pending_deliveries")
    unconfirmed = count.format(f"{is_open} AND d.state = 'sent'", "unconfirmed_deliveries")
    revision_ = "(SELECT v.version_num FROM renderwatch_version v) AS schema_revision"
    health = views["tracker_health"].replace(before, waiting).replace(revision_, f"{revision_},\n  {unconfirmed}")
    return {"delivery_backlog": backlog, "tracker_health": health}
