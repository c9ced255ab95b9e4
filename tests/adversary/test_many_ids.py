"""One message with more ids than a transaction takes."""

from typing import Final

from tests.celery.world import hand_over, reading
from tests.support.processes import Programs, environment, wait_for
from tests.support.services import Broker

COUNT: Final = 10_001


def test_a_message_of_ten_thousand_and_one_ids_is_tracked_whole(
    postgres_url: str, broker: Broker, programs: Programs
) -> None:
    worker = programs.worker(environment(postgres_url, broker, "http://127.0.0.1:9"))
    projects = [{"kind": "video", "project_id": f"one-of-many-{number}"} for number in range(COUNT)]
    with reading(postgres_url) as store:
        hand_over(broker, {"projects": [*projects, {"kind": "film", "project_id": "not-a-video"}]})
        wait_for(lambda: store.states() == {"active": COUNT}, 60, "all are tracked", store.states)
        wait_for(lambda: len(store.refusals()) == 1, 20, "and the wrong one is kept", store.refusals)
    assert "Traceback" not in worker.log
