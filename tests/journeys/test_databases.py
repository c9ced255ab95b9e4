"""Databases that others have made: in an old encoding, with other programs' tables, with a schema of one's own."""

from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.journeys.journey import Journey, travelling
from tests.support.services import Broker, own_name
from worker.simulator import Simulator

OTHERS = """
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('3f2c1ab09d11');
"""


@pytest.mark.parametrize("new_database", ["LATIN1", "SQL_ASCII"], indirect=True)
def test_an_encoding_that_cannot_hold_every_text_is_refused_in_one_line(
    tmp_path: Path, new_database: str, redis_service: Broker, simulator: Simulator
) -> None:
    with travelling(tmp_path / "run", new_database, redis_service, simulator) as journey:
        assert "create one with UTF8" in journey.refuses("migrate")


def test_another_programs_alembic_version_is_left_alone(
    tmp_path: Path, new_database: str, redis_service: Broker, simulator: Simulator
) -> None:
    with psycopg.connect(new_database) as theirs:
        theirs.execute(OTHERS)
    with travelling(tmp_path / "run", new_database, redis_service, simulator) as journey:
        journey.whole(3)
        assert journey.store.value("SELECT version_num FROM alembic_version") == "3f2c1ab09d11"


def test_a_schema_of_ones_own_beside_another_programs_tables(
    tmp_path: Path, new_database: str, redis_service: Broker, simulator: Simulator
) -> None:
    with psycopg.connect(new_database) as theirs:
        theirs.execute("CREATE TABLE accounts (id int); CREATE TABLE events (id int); CREATE SCHEMA rw")
    url = f"{new_database}?options=-csearch_path%3Drw"
    with travelling(tmp_path / "run", url, redis_service, simulator) as journey:
        journey.whole(3)
        assert _tables(journey, "public") == ["accounts", "events"]
        assert "tracked_projects" in _tables(journey, "rw")


def test_a_schema_by_setting_has_everything_and_public_nothing(
    tmp_path: Path, new_database: str, redis_service: Broker, simulator: Simulator
) -> None:
    url = f"{new_database}?options=-csearch_path%3Drw"
    variables = {"DATABASE_URL": new_database, "RENDERWATCH_DATABASE_SCHEMA": "rw"}
    reader = own_name()
    with travelling(tmp_path / "run", new_database, redis_service, simulator, reader_url=url) as journey:
        journey.variables |= variables
        try:
            journey.whole(3)
            in_public = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            assert journey.store.value(in_public) == 0
            assert "tracked_projects" in _tables(journey, "rw")
            journey.run("db", "grant-reader", reader)
            with psycopg.connect(make_conninfo(new_database, user=reader)) as theirs:
                assert theirs.execute("SELECT count(*) FROM rw.projects WHERE state = 'closed'").fetchone() == (3,)
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    theirs.execute("SELECT 1 FROM rw.tracked_projects")
        finally:
            with psycopg.connect(new_database, autocommit=True) as theirs:
                role = sql.Identifier(reader)
                theirs.execute(sql.SQL("DROP OWNED BY {}").format(role))
                theirs.execute(sql.SQL("DROP ROLE {}").format(role))


def _tables(journey: Journey, schema: str) -> list[str]:
    found = journey.store.rows(
        "SELECT tablename AS name FROM pg_tables WHERE schemaname = :schema ORDER BY 1", schema=schema
    )
    return [row["name"] for row in found]
