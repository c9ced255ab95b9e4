"""Processes in surroundings that their environment describes: Kubernetes, another time zone, no home, an odd path."""

import os
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.journeys.installed import install_beside
from tests.journeys.journey import travelling
from tests.support.judge import Allowed
from tests.support.services import Broker, psycopg_url
from worker.simulator import Simulator

# What Kubernetes puts into every container of a namespace that has a Service called renderwatch.
KUBERNETES = {
    "RENDERWATCH_SERVICE_HOST": "10.96.0.12",
    "RENDERWATCH_SERVICE_PORT": "8321",
    "RENDERWATCH_SERVICE_PORT_HTTP": "8321",
    "RENDERWATCH_PORT": "tcp://10.96.0.12:8321",
    "RENDERWATCH_PORT_8321_TCP": "tcp://10.96.0.12:8321",
    "RENDERWATCH_PORT_8321_TCP_PROTO": "tcp",
    "RENDERWATCH_PORT_8321_TCP_PORT": "8321",
    "RENDERWATCH_PORT_8321_TCP_ADDR": "10.96.0.12",
    "RENDERWATCH_WEB_SERVICE_HOST": "10.96.0.13",
    "RENDERWATCH_WEB_PORT": "tcp://10.96.0.13:8321",
    "RENDERWATCH_WEB_PORT_8321_TCP_ADDR": "10.96.0.13",
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
}
# A user that is in no list, may read everything (also a Python below root's home), and write nothing.
NOBODY = ("/usr/bin/setpriv", "--reuid=54321", "--regid=54321", "--clear-groups",
          "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")  # fmt: skip
ODD = "50% größer, mit Leerzeichen"


def test_variables_that_kubernetes_injects_are_no_settings(
    tmp_path: Path, sqlite_url: str, redis_service: Broker, simulator: Simulator
) -> None:
    with travelling(tmp_path / "pod", sqlite_url, redis_service, simulator) as journey:
        journey.variables |= KUBERNETES
        journey.whole(3)
        journey.start("web", "web").says("http://127.0.0.1:8321", 30)
        journey.variables["RENDERWATCH_RAET"] = "5"
        assert "did you mean RENDERWATCH_RATE" in journey.refuses("list")


def test_hosts_in_kathmandu_and_a_database_in_another_zone_agree_on_the_time(
    tmp_path: Path, postgres_url: str, redis_service: Broker, simulator: Simulator
) -> None:
    name = str(psycopg.conninfo.conninfo_to_dict(postgres_url)["dbname"])
    with psycopg.connect(psycopg_url(postgres_url, "postgres"), autocommit=True) as server:
        zone = sql.SQL("ALTER DATABASE {} SET timezone TO 'America/St_Johns'")
        server.execute(zone.format(sql.Identifier(name)))
    with travelling(tmp_path / "host", postgres_url, redis_service, simulator) as journey:
        journey.variables |= {"TZ": "Asia/Kathmandu"}
        journey.whole()
        late = (
            "SELECT count(*) FROM tracked_projects WHERE abs(extract(epoch FROM tracked_at - clock_timestamp())) > 600"
        )
        assert journey.store.value(late) == 0


def test_an_installation_in_an_odd_path(
    tmp_path: Path, wheel: Path, sqlite_url: str, redis_service: Broker, simulator: Simulator
) -> None:
    folder = tmp_path / ODD / "run"
    folder.mkdir(parents=True)
    with travelling(folder, sqlite_url, redis_service, simulator) as journey:
        journey.command = install_beside(wheel, tmp_path / ODD / "lib")
        journey.variables |= {"DATABASE_URL": f"sqlite:///{folder}/renderwatch.db"}
        journey.run("migrate")
        assert (folder / "renderwatch.db").stat().st_size
    with travelling(folder, sqlite_url, redis_service, simulator) as journey:
        journey.command = install_beside(wheel, tmp_path / ODD / "lib")
        journey.whole(3)


def test_a_user_without_a_name_or_a_home_where_nothing_can_be_written(
    tmp_path: Path, postgres_url: str, redis_service: Broker, simulator: Simulator
) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become a user that nobody knows")
    with travelling(tmp_path / "run", postgres_url, redis_service, simulator) as journey:
        journey.command = (*NOBODY, *journey.command)
        journey.allowed.append(Allowed("cannot write the heartbeat to ", "says that renderwatch health is blind here"))
        journey.whole(3)
        journey.start("web", "web").says("http://127.0.0.1:", 30)
    # The tests' own files, and nothing else.
    assert sorted(file.name for file in journey.folder.iterdir()) == ["beat.log", "web.log", "worker.log"]
