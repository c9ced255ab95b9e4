"""A row that makes a step of the machinery fail, refused by the database itself: the others are done all the same."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, text, update

from tests.adversary.stand_in import check_due, stand_in
from tests.store.world import answer, make_due, name, of, pass_time, project, request, seen, stored, track
from worker.domain.deliveries.attempt import Attempt
from worker.domain.deliveries.due import DueDelivery
from worker.settings import Settings
from worker.store.engine import Database, clock
from worker.store.intake.rejections import store_rejections
from worker.store.models import Delivery, RejectedRequest, RenderDuration, TrackedProject
from worker.tracking.clients import Clients
from worker.tracking.deliver import deliver
from worker.tracking.learn_durations import learn_durations
from worker.tracking.maintenance import remove_old, run_maintenance


def close_long_ago(connection: Connection) -> None:
    """Let every project have been closed, and its days booked, so long ago that it is removed."""
    closed = "next_check_at = NULL, state = 'closed', close_reason = 'untracked', closed_at = :old"
    connection.execute(text(f"UPDATE tracked_projects SET {closed}"), {"old": "2020-01-01 00:00:00.000000"})
    connection.execute(text("UPDATE books SET booked_until = '2021-01-01'"))


def refuse(connection: Connection, table: str, doing: str, bad: str, *, row: str = "NEW") -> None:
    """Let the database refuse to insert, update or delete a row."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(
            f"CREATE TRIGGER bad BEFORE {doing} ON {table} WHEN {row}.{bad} BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
        return
    connection.exec_driver_sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE check_violation"
        " USING MESSAGE = 'refused'; END $$"
    )
    connection.exec_driver_sql(
        f"CREATE TRIGGER bad BEFORE {doing} ON {table} FOR EACH ROW WHEN ({row}.{bad}) EXECUTE FUNCTION refuse()"
    )


def test_a_type_that_cannot_be_learned_keeps_no_other_from_being_learned(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    for number, type_ in enumerate(("GOOD", "BAD", "BETTER"), start=1):
        track(database, number)
        answer(database, seen("rendering", type=type_))
        make_due(database)
        answer(database, seen("complete", type=type_))
        with database.write() as connection:
            connection.execute(
                text(
                    "UPDATE tracked_projects SET next_check_at = NULL, state = 'closed',"
                    " close_reason = 'settled', closed_at = finished_at"
                )
            )
    with database.write() as connection:
        refuse(connection, "render_durations", "INSERT", "type = 'BAD'")
    assert learn_durations(database) == 3
    assert set(of(stored(database, RenderDuration), "type")) == {"GOOD", "BETTER", ""}
    assert "learning video BAD failed: " in caplog.text
    assert caplog.text.count("Traceback (most recent call last)") == 1
    learn_durations(database)
    assert caplog.text.count("Traceback (most recent call last)") == 1


def test_a_project_that_cannot_be_removed_keeps_no_other_from_being_removed(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    track(database, 1, 2, 3, 4)
    with database.write() as connection:
        close_long_ago(connection)
        refuse(connection, "tracked_projects", "DELETE", f"project_id = '{name(2)}'", row="OLD")
    assert remove_old(database, 86400.0) == 3
    assert of(stored(database, TrackedProject), "project_id") == [name(2)]
    assert "removing the project in row [2] failed" in caplog.text
    assert remove_old(database, 86400.0) == 0


def test_days_that_cannot_be_closed_keep_no_old_project_from_being_removed(database: Database) -> None:
    track(database, 1)
    with database.write() as connection:
        close_long_ago(connection)
        refuse(connection, "books", "UPDATE", "booked_until IS NOT NULL")
    settings = Settings(retention=86400.0)
    clients = Clients(settings)
    result = run_maintenance(database, settings, clients)
    clients.close()
    assert (result.days_closed, result.retired) == (0, 1)


def test_a_delivery_that_cannot_be_noted_lets_no_other_be_sent_again(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    track(database, 1, 2)
    answer(database, seen("complete", 300))
    bad, *others = [row["id"] for row in stored(database, Delivery)]
    with database.write() as connection:
        refuse(connection, "deliveries", "UPDATE", f"id = {bad} AND NEW.state <> 'pending'")
    sent: list[int] = []

    def send(deliveries: Sequence[DueDelivery], _deadline: float) -> list[Attempt]:
        sent.extend(delivery.id for delivery in deliveries)
        return [Attempt(OSError("no") if delivery.id == others[0] else None) for delivery in deliveries]

    assert deliver(database, Settings(), send).failed == 1
    states = {row["id"]: (row["state"], row["last_error"]) for row in stored(database, Delivery)}
    assert states[bad] == ("pending", None)
    assert states[others[0]] == ("pending", "OSError: no")
    assert {states[id_] for id_ in others[1:]} == {("sent", None)}
    assert f"recording what came of delivery {bad} failed: " in caplog.text
    pass_time(database, 120)
    sent.clear()
    deliver(database, Settings(), send)
    assert sorted(sent) == [bad, others[0]]


def test_a_batch_whose_account_has_no_key_here_waits_and_says_so(database: Database) -> None:
    track(database, request(1, account="studio"))
    settings = Settings(magic_hour_api_keys={"another": SecretStr("another-key")})
    with stand_in() as api:
        (recorded,) = check_due(database, api, settings)
        assert recorded.checked == 1
        found = project(database)
        assert (found["state"], found["failure_count"], found["last_problem"]) == ("active", 0, "not_sent")
        assert "account 'studio' has no API key" in found["last_problem_detail"]
        assert check_due(database, api, settings) == []
        pass_time(database, 31)
        elsewhere = Settings(magic_hour_api_keys={"studio": SecretStr("its-key")})
        check_due(database, api, elsewhere)
    found = project(database)
    assert (found["status"], found["last_problem"]) == ("complete", None)


def test_rejected_requests_go_after_their_time(database: Database) -> None:
    with database.write() as connection:
        store_rejections(connection, [("old", "no sense"), ("new", "no sense")])
        old = clock(connection) - timedelta(days=1, seconds=60)
        connection.execute(update(RejectedRequest).where(RejectedRequest.request == "old").values(rejected_at=old))
    for kept, retention in ((["old", "new"], 2 * 86_400.0), (["new"], 86_400.0)):
        settings = Settings(rejected_retention=retention)
        clients = Clients(settings)
        run_maintenance(database, settings, clients)
        clients.close()
        assert of(stored(database, RejectedRequest), "request") == kept
