from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.journeys.installed import build_wheel
from tests.journeys.journey import QUICK
from tests.support.processes import ROOT
from tests.support.services import own_name, psycopg_url
from worker.simulator import Simulator, running_simulator


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A simulator of Magic Hour on which projects take some seconds."""
    with running_simulator(QUICK) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def new_database(request: pytest.FixtureRequest, postgres: str) -> Iterator[str]:
    """The URL of an empty database in an encoding: UTF8 unless the test is given another one."""
    name, encoding = sql.Identifier(own_name()), getattr(request, "param", "UTF8")
    with psycopg.connect(postgres, autocommit=True) as server:
        make = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE 'C' LC_CTYPE 'C'")
        server.execute(make.format(name, sql.Literal(encoding)))
        try:
            yield psycopg_url(postgres, name.as_string().strip('"'))
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
