from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import Programs
from tests.support.services import Broker


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    """Starts processes for the test, and stops them after it."""
    with Programs(tmp_path) as programs:
        yield programs


@pytest.fixture(params=["redis_service", "rabbitmq_service"])
def broker(request: pytest.FixtureRequest) -> Broker:
    """A broker of the test's own: the test runs on each of them."""
    broker: Broker = request.getfixturevalue(request.param)
    return broker
