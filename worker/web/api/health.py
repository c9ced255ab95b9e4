"""Health: whether everything works, and what is wrong if not."""

from fastapi import APIRouter

from worker.domain.monitoring.health import judge
from worker.store.monitoring.health import read_facts
from worker.web.api.access import Reader, TheWeb
from worker.web.api.health_schemas import Health
from worker.web.strict_query import StrictQueryRoute

router = APIRouter(tags=["health"], route_class=StrictQueryRoute)


@router.get("/health", summary="Read the health of the system")
def read_health(web: TheWeb, caller: Reader) -> Health:  # noqa: ARG001  the scope
    """Return the state of the system and the findings, critical ones first; counts stop at 10,000.

    `ok` means that due projects are checked and events are delivered. The dashboard, `renderwatch doctor` and the
    metrics show the same.
    """
    settings = web.settings
    with web.database.read() as connection:
        facts = read_facts(connection, settings.accounts, settings.target_detection_delay)
    return Health.of(judge(facts))
