"""Killing and freezing what takes the intake queue in: no request is lost, and none is stored twice."""

import signal
import time
from typing import Final

from tests.celery.world import INTAKE, TRACK, other_service, reading
from tests.support.processes import Program, Programs, environment, wait_for
from tests.support.services import Broker

NO_API: Final = "http://127.0.0.1:9"
COUNT: Final = 2000


def test_killed_workers_lose_no_request(postgres_url: str, broker: Broker, programs: Programs) -> None:
    variables = environment(postgres_url, broker, NO_API)
    worker = programs.worker(variables)
    with other_service(broker) as app, reading(postgres_url) as store:
        for number in range(COUNT):
            fields = {"kind": "video", "project_id": f"burst-project-{number}", "credits_charged": 1}
            app.send_task(TRACK, kwargs=fields, queue=INTAKE)
            if number % 500 == 250:
                worker.kill()
                worker = programs.worker(variables, name="worker")
        wait_for(lambda: store.states() == {"active": COUNT}, 60, "all are tracked", store.states)
        assert store.value("SELECT count(*) FROM credit_adjustments") == COUNT
        assert store.refusals() == []
    assert worker.stop() == 0


def test_what_a_frozen_worker_holds_is_stored_when_it_goes_on(
    postgres_url: str, broker: Broker, programs: Programs
) -> None:
    worker = programs.worker(environment(postgres_url, broker, NO_API))
    with other_service(broker) as app, reading(postgres_url) as store:
        _freeze(worker)
        for number in range(50):
            app.send_task(TRACK, kwargs={"kind": "video", "project_id": f"frozen-project-{number}"}, queue=INTAKE)
        time.sleep(1)
        assert store.states() == {}
        worker.process.send_signal(signal.SIGCONT)
        wait_for(lambda: store.states() == {"active": 50}, 30, "all are tracked", store.states)
    assert "Traceback" not in worker.log


def _freeze(worker: Program) -> None:
    worker.process.send_signal(signal.SIGSTOP)
