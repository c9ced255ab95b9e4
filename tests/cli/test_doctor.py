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
from worker.store.models import Account, Delivery
from worker.store.monitoring.job_heartbeats import record_heartbeat


def findings(said: Said) -> dict[str, tuple[str, str]]:
    assert "Traceback" not in said.out + said.err
    return {each["check"]: (each["result"], each["fix"]) for each in said.json}


def examine(run: Run, *areas: str, **variables: str) -> dict[str, tuple[str, str]]:
    options = [option for area in areas for option in ("--only", area)]
    return findings(run("doctor", "--json", *options, **variables))


def well(store: Database) -> None:
    with store.write() as connection:
        for job in ("beat", "dispatch", "intake"):
            record_heartbeat(connection, job)


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
    well(store)
    pass_time(store, 3600)
    with store.write() as connection:
        connection.execute(update(Account).values(pause_reason="unauthorized", paused_until=text("CURRENT_TIMESTAMP")))
        connection.execute(update(Delivery).values(state="dead"))
    found = examine(run, "database")
    assert found["beat_down"][0] == "failed"
    assert "beat" in found["beat_down"][1]
    assert "key" in found["account_paused"][1]
    assert found["dead_deliveries"] == ("warning", "renderwatch replay --dead")


def test_overdue_projects_fail_the_doctor(run: Run, store: Database) -> None:
    track(store, 1)
    make_due(store)
    well(store)
    assert examine(run, "database")["overdue"][0] == "failed"


def test_books_that_do_not_add_up_are_found(run: Run, store: Database) -> None:
    well(store)
    track(store, 1)
    answer(store, seen("complete", 300))
    change(store, credits_charged=299)
    assert run("doctor", "--only", "database").code == 0
    said = run("doctor", "--only", "database", "--deep")
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


def test_a_key_that_would_be_sent_unencrypted_is_warned_of(run: Run) -> None:
    assert examine(run, "settings", MAGIC_HOUR_BASE_URL="http://api.example.com") == {
        "settings": ("warning", "write https:// in MAGIC_HOUR_BASE_URL")
    }
    assert examine(run, "settings", MAGIC_HOUR_BASE_URL="http://simulator:8330") == {"settings": ("ok", "")}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with running_simulator() as simulator:
        yield simulator


def test_the_api_is_asked(run: Run, simulator: Simulator) -> None:
    found = examine(run, "api", MAGIC_HOUR_BASE_URL=simulator.url)
    assert found["API, account default"] == ("ok", "")
    found = examine(run, "api", MAGIC_HOUR_BASE_URL=f"{simulator.url}/wrong")
    assert "correct MAGIC_HOUR_BASE_URL" in found["API, account default"][1]
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


ASK_BROKER = ["-c", "from worker.cli.main import main; main()", "doctor", "--only", "broker"]


def start_other(programs: Programs, folder: Path, broker: Broker, *options: str) -> None:
    """Start a worker of another application on our broker."""
    code = "from celery import Celery\nimport os\napp = Celery(broker=os.environ['URL'])\n"
    (folder / "other.py").write_text(code)
    command = ["-m", "celery", "-A", "other", "worker", "-n", "other@%h", "-c", "1", "-l", "INFO"]
    programs.start("other", [*command, *options], {"URL": broker.url}).says(" ready.")


def test_workers_of_other_applications_are_not_taken_for_ours(
    sqlite_url: str, rabbitmq_service: Broker, tmp_path: Path
) -> None:
    variables = environment(sqlite_url, rabbitmq_service, "http://127.0.0.1:9")
    with Programs(tmp_path) as programs:
        start_other(programs, tmp_path, rabbitmq_service)
        first = programs.start("first", ASK_BROKER, variables)
        assert first.ends(60) == 1
        assert "FAIL  workers: no Renderwatch worker responds; 1 worker of other applications" in first.log
        programs.worker(variables, options="-c 1 -l INFO -Q renderwatch.intake,renderwatch.upkeep")
        second = programs.start("second", ASK_BROKER, variables)
        assert second.ends(60) == 1
        assert "ok    workers: 1 Renderwatch worker; 1 worker of other applications" in second.log
        assert "FAIL  queue renderwatch.checks: no worker consumes it" in second.log
        assert "renderwatch.upkeep: no worker" not in second.log


def test_a_worker_of_another_application_that_reads_our_queues_is_named(
    sqlite_url: str, rabbitmq_service: Broker, tmp_path: Path
) -> None:
    variables = environment(sqlite_url, rabbitmq_service, "http://127.0.0.1:9")
    with Programs(tmp_path) as programs:
        programs.worker(variables)
        start_other(programs, tmp_path, rabbitmq_service, "-Q", "renderwatch.intake")
        found = programs.start("doctor", ASK_BROKER, variables)
        assert found.ends(60) == 1
        assert "FAIL  queue renderwatch.intake: other@" in found.log
        assert "a worker of another application, reads it and drops our messages" in found.log
