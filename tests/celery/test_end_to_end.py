"""From another service's message to a third one's task: every process a real one."""

import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.celery.world import Received, Store, entry, hand_over, reading, received
from tests.support.judge import assert_clean, watching
from tests.support.processes import Programs, environment, wait_for
from tests.support.services import Broker
from worker.simulator import Simulator, SimulatorOptions, running_simulator

PROJECTS: Final = 45
RENDERED: Final = "celery:orders.rendered?queue=orders"
ASKED_FOR: Final = "celery:orders.asked_for?queue=orders"
FINISHED: Final = ("project.completed", "project.failed", "project.canceled")
ENDS: Final = {"complete": "project.completed", "error": "project.failed", "canceled": "project.canceled"}

TRACE: Final = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "sentry-trace": f"{'a' * 32}-{'b' * 16}-1"}
TRACED: Final = {"traceparent": TRACE["traceparent"], "nested": TRACE}
OPTIONS: Final = SimulatorOptions(
    seed=7, time_scale=200, failure_rate=0.3, cancel_rate=0.2, late_refund_rate=1, no_refund_rate=0
)
# A refund comes up to 300 s / 200 after the end.
FAST: Final = {
    "rate": 500,
    "burst": 2000,
    "least_gap": 0.2,
    "greatest_gap": 1,
    "settle_gaps": [0.5],
    "refund_gaps": [0.5, 0.7, 1],
    "dispatch_every": 0.2,
    "sweep_every": 0.5,
    "routes": {kind: [RENDERED] for kind in FINISHED},
    "notify_allow": ["celery:orders.*?queue=orders"],
}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with running_simulator(OPTIONS) as simulator:
        yield simulator


def test_every_project_is_followed_to_its_end_and_its_news_arrive_once(
    postgres_url: str, broker: Broker, simulator: Simulator, programs: Programs, tmp_path: Path
) -> None:
    file = tmp_path / "orders.jsonl"
    variables = environment(postgres_url, broker, simulator.url, **FAST)
    orders = variables | {"ORDERS_FILE": str(file)}

    # The service that hands over ids comes first: nothing of ours has declared a queue yet.
    single, bulk, asking = (simulator.create(PROJECTS // 3) for _ in range(3))
    hand_over(
        broker,
        *[entry(project) for project in single],
        {"projects": [entry(project) for project in bulk]},
    )
    asked = {"projects": [entry(project, notify={"project.settled": [ASKED_FOR]}) for project in asking]}
    hand_over(broker, asked, headers=TRACE)
    programs.beat(variables, "beat-1")
    programs.beat(variables, "beat-2")
    programs.worker(variables, "worker-1")
    programs.worker(variables, "worker-2")
    programs.worker(orders, "orders", app="tests.celery.downstream", options="-c 1 -l INFO")
    # Handing an id over again changes nothing.
    hand_over(broker, entry(single[0]), {"projects": [entry(project) for project in bulk]})

    with reading(postgres_url) as store, watching(postgres_url):
        wait_for(lambda: store.all_closed(PROJECTS), 90, "all projects are closed", store.states)
        wait_for(lambda: _pending(store) == 0, 30, "all news is sent", lambda: _pending(store))
        expected = PROJECTS + len(asking)
        wait_for(lambda: len(_distinct(received(file))) >= expected, 30, f"{expected} calls downstream")

        truth = {record["id"]: record["timeline"][-1] for record in simulator.record()}
        calls = _distinct(received(file))
        assert {(call.event["project_id"], call.event["type"]) for call in calls if call.task == "rendered"} == {
            (id_, ENDS[last["status"]]) for id_, last in truth.items()
        }
        assert Counter(call.task for call in calls) == {"rendered": PROJECTS, "asked_for": len(asking)}
        assert {call.event["project_id"] for call in calls if call.task == "asked_for"} == {one.id for one in asking}
        ledger = store.rows(
            "SELECT p.project_id, sum(a.amount) AS total FROM credit_adjustments a"
            " JOIN tracked_projects p ON p.id = a.tracked_project_id GROUP BY p.project_id"
        )
        assert {row["project_id"]: row["total"] for row in ledger} == {
            id_: last["credits_charged"] for id_, last in truth.items()
        }
        # A tracing library finds the caller's trace where it looks for it.
        assert all(call.trace == TRACED for call in calls if call.task == "asked_for")
        assert store.refusals() == []
        # The host that Celery clients name in their messages.
        assert {call.event["tracked_by"] for call in calls} == {socket.gethostname()}
    assert_clean(programs.logs)


def _pending(store: Store) -> int:
    return int(store.value("SELECT count(*) FROM deliveries WHERE state <> 'sent'"))


def _distinct(calls: list[Received]) -> list[Received]:
    """Deliveries may come more than once; the same one always has the same task id."""
    return list({call.task_id: call for call in calls}.values())
