"""The doctor finds what is wrong, and names the remedy."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text, update

from tests.cli.conftest import Run, Said
from tests.store.world import answer, change, make_due, pass_time, seen, track
from tests.support.processes import Programs, environment, wait_for
from tests.support.services import Broker
from worker.simulator import Simulator, running_simulator
from worker.store.engine import Database
from worker.store.heartbeat import beat
from worker.store.models import Account, Delivery


def findings(said: Said) -> dict[str, tuple[str, str]]:
    assert "Traceback" not in said.out + said.err
    return {each["check"]: (each["result"], each["fix"]) for each in said.json}


def examine(run: Run, *areas: str, **variables: str) -> dict[str, tuple[str, str]]:
    options = [option for area in areas for option in ("--only", area)]
    return findings(run("doctor", "--json", *options, **variables))


def well(store: Database) -> None:
    with store.write() as connection:
        beat(connection, "dispatch")


def test_a_healthy_database(run: Run, store: Database) -> None:
    well(store)
    said = run("doctor", "--only", "database")
    assert said.code == 0
    assert "FAIL" not in said.out
    assert {result for result, _ in examine(run, "database").values()} == {"ok"}


def test_what_is_wrong_in_the_database_comes_with_its_remedy(run: Run, store: Database) -> None:
    track(store, 1)
    answer(store, seen("complete", 300))
    track(store, 2)
    make_due(store)
    with store.write() as connection:
        connection.execute(update(Account).values(pause_reason="unauthorized", paused_until=text("CURRENT_TIMESTAMP")))
        connection.execute(update(Delivery).values(state="dead"))
        beat(connection, "dispatch")
    pass_time(store, 3600)
    found = examine(run, "database")
    assert found["dispatch"][0] == "failed"
    assert "beat" in found["dispatch"][1]
    assert found["backlog"][0] == "warning"
    assert "key" in found["account default"][1]
    assert found["deliveries"][0] == "warning"


def test_books_that_do_not_add_up_are_found(run: Run, store: Database) -> None:
    well(store)
    track(store, 1)
    answer(store, seen("complete", 300))
    change(store, credits_charged=299)
    said = run("doctor", "--only", "database")
    assert said.code == 1
    assert "FAIL  invariants" in said.out


def test_a_missing_schema_names_the_command(run: Run, tmp_path: Path) -> None:
    found = examine(run, "database", DATABASE_URL=f"sqlite:///{tmp_path / 'new.db'}")
    assert found["schema"] == ("failed", "renderwatch migrate")


def test_a_missing_database_and_a_missing_key(run: Run) -> None:
    found = examine(run, "database", DATABASE_URL="postgresql://postgres@127.0.0.1:1/x")
    assert found["database"][0] == "failed"
    assert "DATABASE_URL" in found["database"][1]
    assert "MAGIC_HOUR_API_KEY" in examine(run, "api", MAGIC_HOUR_API_KEY="")["API key"][1]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with running_simulator() as simulator:
        yield simulator


def test_the_api_is_asked(run: Run, simulator: Simulator) -> None:
    found = examine(run, "api", MAGIC_HOUR_BASE_URL=simulator.url)
    assert found["API, account default"] == ("ok", "")
    found = examine(run, "api", MAGIC_HOUR_BASE_URL="http://127.0.0.1:1")
    assert found["API, account default"][0] == "failed"


def test_all_is_well_when_everything_runs(
    postgres_url: str, redis_service: Broker, simulator: Simulator, tmp_path: Path
) -> None:
    variables = environment(postgres_url, redis_service, simulator.url)
    with Programs(tmp_path) as programs:
        programs.worker(variables)
        programs.beat(variables)
        command = ["-c", "from worker.cli.main import main; main()", "doctor"]

        def healthy() -> bool:
            doctor = programs.start("doctor", command, variables)
            return doctor.ends() == 0 and "FAIL" not in doctor.log

        wait_for(healthy, 60, "the doctor is content")
