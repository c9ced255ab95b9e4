"""A thousand renders at ten times their real speed, tracked at once by real processes."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby
from typing import Final

import pytest

from tests.celery.world import Store, entry, hand_over, is_subsequence, reading
from tests.support.processes import Programs, environment, wait_for
from tests.support.services import Broker
from worker.simulator import Simulator, SimulatorOptions, running_simulator
from worker.simulator.lifecycle.plan import REFUND_DELAY

SCALE: Final = 10
# Every kind; the longest of these take up to 45 s at this speed, and the latest refund comes 30 s after that.
PATHS: Final = (
    "/v1/image-to-video",
    "/v1/text-to-video",
    "/v1/face-swap",
    "/v1/audio-to-video",
    "/v1/ai-talking-photo",
    "/v1/lip-sync",
    "/v1/ai-image-generator",
    "/v1/ai-voice-generator",
)
OPTIONS: Final = SimulatorOptions(
    seed=1,
    time_scale=SCALE,
    spread=0.2,
    failure_rate=0.15,
    cancel_rate=0.1,
    late_refund_rate=0.5,
    no_refund_rate=0.1,
    correction_rate=0.5,
    draft_rate=0.1,
)
SETTLE_GAPS: Final = [30 / SCALE, 120 / SCALE]
REFUND_GAPS: Final = [200 / SCALE]
SETTINGS: Final = {
    "rate": 500,
    "burst": 2000,
    "least_gap": 0.5,
    "greatest_gap": 6,
    "settle_gaps": SETTLE_GAPS,
    "refund_gaps": REFUND_GAPS,
    "dispatch_every": 0.5,
}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with running_simulator(OPTIONS) as simulator:
        yield simulator


def test_a_thousand_projects_end_as_they_really_did_and_cost_what_they_really_cost(
    postgres_url: str, redis_service: Broker, simulator: Simulator, programs: Programs
) -> None:
    assert sum(SETTLE_GAPS + REFUND_GAPS) > REFUND_DELAY[1] / SCALE  # or the latest refund would be missed
    variables = environment(postgres_url, redis_service, simulator.url, **SETTINGS)
    programs.beat(variables)
    programs.worker(variables)
    projects = [project for path in PATHS for project in simulator.create(1000 // len(PATHS), path)]
    hand_over(redis_service, {"projects": [entry(project) for project in projects]})

    with reading(postgres_url) as store:
        wait_for(lambda: store.all_closed(1000), 150, "all projects are closed", store.states)

        stored = _histories(store)
        totals = {row["project_id"]: row["total"] for row in store.rows(LEDGER)}
        records = simulator.record()
        assert len(records) == 1000
        for record in records:
            really = [status for status, _ in groupby(change["status"] for change in record["timeline"])]
            seen = stored[record["id"]]
            assert is_subsequence(seen, really), f"{record['id']}: stored {seen}, really {really}"
            assert seen[-1] == really[-1]
            assert totals[record["id"]] == record["timeline"][-1]["credits_charged"]
        reasons = {row["reason"] for row in store.rows("SELECT DISTINCT reason FROM credit_adjustments")}
        assert reasons == {"charge", "estimate", "final", "refund"}
        statuses = {row["to_status"] for row in store.rows("SELECT DISTINCT to_status FROM status_transitions")}
        # A draft is over in a moment: a busy machine may look too late for all of them.
        assert statuses - {"draft"} == {"queued", "rendering", "complete", "error", "canceled"}
        # Every answer was used, but for the one about the account that a starting worker asks for. A check without an
        # answer met a connection that the server was just closing.
        checks = store.value("SELECT sum(check_count) FROM tracked_projects")
        answers = simulator.stats()["requests"]
        assert set(answers) == {"200"}
        assert checks - 50 <= answers["200"] - 1 <= checks


LEDGER: Final = """
    SELECT p.project_id, p.credits_charged, sum(a.amount) AS total
    FROM credit_adjustments a JOIN tracked_projects p ON p.id = a.tracked_project_id
    GROUP BY p.project_id, p.credits_charged
"""
HISTORY: Final = """
    SELECT p.project_id, t.to_status
    FROM status_transitions t JOIN tracked_projects p ON p.id = t.tracked_project_id
    ORDER BY t.tracked_project_id, t.sequence
"""


def _histories(store: Store) -> dict[str, list[str]]:
    histories: defaultdict[str, list[str]] = defaultdict(list)
    for row in store.rows(HISTORY):
        histories[row["project_id"]].append(row["to_status"])
    return histories
