"""Several accounts, of which one has a key that was revoked: the others do not notice, and it comes back by itself."""

import json

from tests.celery.test_shutdown_and_loss import SETTINGS
from tests.celery.world import entry, hand_over, reading
from tests.support.processes import Programs, environment, wait_for
from tests.support.services import Broker
from worker.simulator import SimulatorOptions, running_simulator

OPTIONS = SimulatorOptions(time_scale=50, spread=0, failure_rate=0, cancel_rate=0, api_keys=frozenset({"good-key"}))
CLOSED = "SELECT count(*) FROM tracked_projects WHERE account = :account AND state = 'closed'"
PAUSED = "SELECT pause_reason FROM accounts WHERE name = 'dead'"


def test_a_dead_account_does_not_slow_the_others_down_and_resumes_with_a_new_key(
    postgres_url: str, redis_service: Broker, programs: Programs
) -> None:
    with running_simulator(OPTIONS) as simulator, reading(postgres_url) as store:
        variables = environment(postgres_url, redis_service, simulator.url, **SETTINGS)

        def keys(dead: str) -> dict[str, str]:
            given = json.dumps({"good": "good-key", "dead": dead})
            return {**variables, "MAGIC_HOUR_API_KEYS": given}

        revoked = keys("revoked-key")
        first = [programs.worker(revoked), programs.beat(revoked)]
        projects = simulator.create(60, "/v1/image-to-video")
        accounts = ["dead"] * 30 + ["good"] * 30
        given = [entry(project, account=account) for project, account in zip(projects, accounts, strict=True)]
        hand_over(redis_service, {"projects": given})

        wait_for(lambda: store.value(CLOSED, account="good") == 30, 40, "the good account's projects close")
        wait_for(lambda: store.value(PAUSED) == "unauthorized", 40, "the dead account is paused")
        assert store.value(CLOSED, account="dead") == 0

        for program in first:
            program.ask_to_stop()
            assert program.ends() == 0
        renewed = keys("good-key")
        programs.worker(renewed, "second")
        programs.beat(renewed, "second beat")
        wait_for(lambda: store.value(CLOSED, account="dead") == 30, 110, "the account resumes by itself")
        assert store.value(PAUSED) is None
