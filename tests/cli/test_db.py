"""renderwatch db grant-reader, as a user meets it."""

import pytest
from sqlalchemy import text

from tests.cli.conftest import Run, Said
from tests.support.services import own_name
from worker.store.engine import Database


def grant_twice(run: Run, store: Database, command: str) -> tuple[str, Said, Said]:
    """Make a role, and make it again. Returns its name and what the command said; the role is gone afterwards."""
    role = own_name()
    with store.write() as connection:
        connection.execute(text("REVOKE CREATE ON SCHEMA public FROM PUBLIC"))
    first, again = run("db", command, role), run("db", command, role)
    with store.write() as connection:
        connection.execute(text(f"DROP OWNED BY {role}"))
        connection.execute(text(f"DROP ROLE {role}"))
    assert (first.code, again.code) == (0, 0)
    return role, first, again


def test_a_reader_is_made_once_and_can_be_made_again(run: Run, store: Database, database_url: str) -> None:
    if database_url.startswith("sqlite"):
        said = run("db", "grant-reader", "analyst")
        assert (said.code, "mode=ro" in said.err) == (1, True)
        return
    role, first, again = grant_twice(run, store, "grant-reader")
    assert first.out.startswith(f"{role} was created and can read the views")
    assert f"\\password {role}" in first.err
    assert again.out.startswith(f"{role} can read the views")


@pytest.mark.parametrize("name", ["Analyst", "a;b"])
def test_a_name_that_no_role_has_is_explained(run: Run, name: str, database_url: str) -> None:
    said = run("db", "grant-reader", name)
    assert said.code == 1
    if not database_url.startswith("sqlite"):
        assert "lower-case letters" in said.err


def test_an_enqueuer_is_made_and_the_call_is_shown(run: Run, store: Database, database_url: str) -> None:
    if database_url.startswith("sqlite"):
        said = run("db", "grant-enqueuer", "shop")
        assert (said.code, "track_requests" in said.err) == (1, True)
        return
    role, first, again = grant_twice(run, store, "grant-enqueuer")
    assert first.out == f"{role} was created and can send projects: SELECT public.track_project('video', 'ID')\n"
    assert f"\\password {role}" in first.err
    assert again.out.startswith(f"{role} can send projects")
