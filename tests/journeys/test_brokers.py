"""Brokers as they are run elsewhere: Sentinel whose master stands still, TLS with a CA of one's own, restarts."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.journeys.journey import Journey, travelling
from tests.support.certificates import Authority, authority
from tests.support.judge import IN_CELERY, Allowed
from tests.support.private_server import Server, program
from tests.support.processes import free_port, wait_for
from tests.support.rabbitmq_node import RabbitNode
from tests.support.redis_node import RedisNode
from tests.support.redis_sentinel import SentinelCluster
from tests.support.services import Broker
from worker.simulator import Simulator, SimulatorOptions, running_simulator

# With the two seconds after which the Sentinels act, it is well below the minute that is promised.
_HEALS: Final = 45.0
_LONG: Final = SimulatorOptions(seed=3, time_scale=2, failure_rate=0, cancel_rate=0, late_refund_rate=0)
# What Celery and redis-py say when the broker goes away, and nothing else.
_BROKER_GONE: Final = (
    Allowed(r"(WARNING|ERROR|CRITICAL) (celery|kombu|renderwatch|worker\.tasks)\.", "the broker is gone"),
    Allowed(
        r"Traceback.*… (redis|kombu|celery|billiard|amqp)\.[\w.]+|Traceback.*… \w*(Connection|Timeout)\w*", "the same"
    ),
    Allowed(rf"Traceback.*{re.escape(IN_CELERY)}", "the same, where Celery did not expect it"),
)


def _checks(journey: Journey) -> int:
    return int(journey.store.value("SELECT coalesce(sum(check_count), 0) FROM tracked_projects"))


def _work_goes_on(journey: Journey, seconds: float) -> None:
    before = _checks(journey)
    wait_for(lambda: _checks(journey) > before + 5, seconds, "checks are recorded again")


def test_a_frozen_master_is_replaced_by_its_replica(tmp_path: Path, sqlite_url: str) -> None:
    with (
        SentinelCluster(tmp_path / "redis") as servers,
        running_simulator(_LONG) as simulator,
        travelling(tmp_path / "run", sqlite_url, servers.broker, simulator) as journey,
    ):
        journey.run("migrate")
        journey.start_all()
        journey.create(5, "/v1/lip-sync")
        _work_goes_on(journey, 20)
        journey.allowed += _BROKER_GONE
        with journey.watch.broken(_HEALS):
            before = servers.current_master()
            servers.freeze_master()
            wait_for(lambda: servers.current_master() != before, 30, "the replica is promoted")
        _work_goes_on(journey, _HEALS)
        journey.create(2, "/v1/lip-sync")
        wait_for(lambda: journey.store.states() == {"active": 7}, 20, "new messages arrive", journey.store.states)


@contextmanager
def _tls_redis(folder: Path, ca: Authority) -> Iterator[int]:
    port = free_port()
    folder.mkdir()
    files = ["--tls-cert-file", str(ca.certificate), "--tls-key-file", str(ca.key), "--tls-ca-cert-file", str(ca.file)]
    tls = ["--tls-port", str(port), "--port", "0", "--tls-auth-clients", "no", *files]
    plain = ["--bind", "127.0.0.1", "--appendonly", "no", "--save", "", "--dir", str(folder)]
    server = Server([program("redis-server"), *tls, *plain], folder / "redis.out")
    wait_for(lambda: "Ready to accept" in server.output.read_text(), 15, "Redis runs", server.output.read_text)
    try:
        yield port
    finally:
        server.stop()


def test_redis_over_tls_is_verified_with_the_ca_that_is_named(
    tmp_path: Path, sqlite_url: str, simulator: Simulator
) -> None:
    ca = authority(tmp_path / "ca", "localhost")
    with _tls_redis(tmp_path / "redis", ca) as port:
        named = Broker(f"rediss://localhost:{port}/0?ssl_cert_reqs=required&ssl_ca_certs={ca.file}")
        with travelling(tmp_path / "run", sqlite_url, named, simulator) as journey:
            journey.whole(3)
            journey.variables["CELERY_BROKER_URL"] = f"rediss://localhost:{port}/0"
            said = journey.complains("doctor", "--only", "broker")
            assert "certificate" in said.lower()
            journey.variables["CELERY_BROKER_URL"] = f"rediss://localhost:{port}/0?ssl_cert_reqs=none"
            journey.run("doctor", "--only", "broker")


@contextmanager
def _under_way(folder: Path, url: str, broker: Broker, simulator: Simulator) -> Iterator[Journey]:
    """Run everything on 40 projects, until batches are checked."""
    with travelling(folder, url, broker, simulator, dispatch_every=0.2) as journey:
        journey.run("migrate")
        journey.start_all()
        journey.allowed += _BROKER_GONE
        journey.create(40)
        wait_for(lambda: _checks(journey) > 10, 30, "batches are under way")
        yield journey


def test_a_broker_that_restarts_under_acknowledgements_loses_nothing(
    tmp_path: Path, sqlite_url: str, simulator: Simulator
) -> None:
    node = RedisNode(tmp_path / "redis")
    try:
        with _under_way(tmp_path / "run", sqlite_url, node.broker, simulator) as journey:
            with journey.watch.broken(10):
                node.kill(forget=False)
                node.start()
            journey.arrives(40, 120)
    finally:
        node.kill(forget=True)


def test_a_rabbitmq_that_restarts_under_acknowledgements_loses_nothing(
    tmp_path: Path, sqlite_url: str, simulator: Simulator
) -> None:
    node = RabbitNode(tmp_path / "rabbitmq")
    try:
        with _under_way(tmp_path / "run", sqlite_url, node.broker, simulator) as journey:
            with journey.watch.broken(30):
                node.kill()
                node.start()
            journey.create(2)
            journey.arrives(42, 120)
            assert journey.store.refusals() == []
    finally:
        node.kill()
