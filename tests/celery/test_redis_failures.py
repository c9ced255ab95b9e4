"""Redis that fails over, encrypts, or goes away under an acknowledgement."""

import logging
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Message, Queue
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.celery.test_commands import renderwatch
from tests.celery.world import Store, hand_over, reading
from tests.store.world import make_due, track
from tests.support.certificates import make_certificate
from tests.support.processes import Programs, environment, wait_for
from tests.support.redis_node import RedisNode
from tests.support.redis_sentinel import SentinelCluster
from tests.support.services import Broker, unavailable
from worker.simulator import running_simulator
from worker.tasks.brokers import redis_transport

BACK_WITHIN = 60


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[SentinelCluster]:
    with SentinelCluster(tmp_path / "redis") as cluster:
        yield cluster


def checks(store: Store) -> int:
    return int(store.value("SELECT coalesce(sum(check_count), 0) FROM tracked_projects"))


def test_worker_and_beat_are_back_within_a_minute_after_a_failover(
    postgres_url: str, cluster: SentinelCluster, programs: Programs
) -> None:
    with running_simulator() as simulator, reading(postgres_url) as store:
        variables = environment(postgres_url, cluster.broker, simulator.url, lease_seconds=30)
        track(store.database, 1)
        worker = renderwatch(programs, variables, "worker", "--concurrency", "2")
        beat = renderwatch(programs, variables, "beat")
        wait_for(lambda: checks(store), 60, "a first check")

        cluster.freeze_sentinel()
        cluster.freeze_master()
        frozen_at = time.monotonic()
        wait_for(lambda: cluster.current_master() != cluster.master_port, 30, "Sentinel promotes the replica")
        seen = checks(store)

        def checked_again() -> bool:
            make_due(store.database)
            return checks(store) > seen

        wait_for(checked_again, BACK_WITHIN, "checks go on", lambda: worker.log[-3000:] + beat.log[-3000:])
        hurried = {"sentinel_kwargs": {"socket_timeout": 1, "retry": Retry(NoBackoff(), 0)}}
        sender = Broker(cluster.broker.url, cluster.broker.options | hurried)
        hand_over(sender, {"kind": "video", "project_id": "cm-after-the-failover"})
        found = "SELECT count(*) FROM tracked_projects WHERE project_id = 'cm-after-the-failover'"
        wait_for(lambda: store.value(found), BACK_WITHIN, "intake goes on", lambda: worker.log[-3000:])
        assert time.monotonic() - frozen_at < BACK_WITHIN
        assert worker.process.poll() is None
        assert beat.process.poll() is None


def test_an_acknowledgement_on_a_closed_connection_is_an_error_of_the_connection(tmp_path: Path) -> None:
    redis_transport.register()
    node = RedisNode(tmp_path / "redis")
    try:
        connection = Connection(node.broker.url, transport_options={"socket_timeout": 2})
        channel: Any = connection.channel()
        queue = Queue("acknowledged")
        producer = connection.Producer(channel)
        producer.publish({}, routing_key=queue.name, declare=[queue(channel)])
        got: list[Message] = []
        connection.Consumer(queue, channel=channel, on_message=got.append, accept=["json"]).consume()
        while not got:
            connection.drain_events(timeout=10)
        errors = connection.connection_errors
        node.kill(forget=False)
        connection.collect()
        channel._disconnect_pools()
        got[0].ack_log_error(logging.getLogger(__name__), errors)
        assert not got[0].acknowledged
    finally:
        node.kill(forget=True)


@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a Redis with TLS, and the certificate that signed its own."""
    program, certificate = shutil.which("redis-server"), make_certificate(tmp_path)
    if program is None or certificate is None:
        unavailable("no redis-server or openssl on the PATH")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    tls = f"--tls-port {port} --port 0 --tls-cert-file {certificate} --tls-key-file {certificate} --tls-auth-clients no"
    command = [program, *tls.split(), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    with (tmp_path / "redis.out").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        wait_for(lambda: _listens(port), 15, "Redis with TLS listens")
        yield f"rediss://127.0.0.1:{port}/0", tmp_path / "certificate.pem"
    finally:
        process.kill()
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_certificate_that_nobody_vouches_for_is_refused_unless_told_otherwise(
    encrypted: tuple[str, Path], programs: Programs, sqlite_url: str
) -> None:
    url, certificate = encrypted
    for query, finding in {
        "": "certificate verify failed",
        f"?ssl_ca_certs={certificate}": "ok    broker: responds",
        "?ssl_cert_reqs=none": "ok    broker: responds",
    }.items():
        variables = environment(sqlite_url, Broker(url + query), "http://127.0.0.1:9")
        doctor = renderwatch(programs, variables, "doctor", "--only", "broker")
        doctor.ends(60)
        assert finding in doctor.log
        assert "Traceback" not in doctor.log


def test_a_worker_does_its_work_over_tls(encrypted: tuple[str, Path], programs: Programs, postgres_url: str) -> None:
    url, certificate = encrypted
    with running_simulator() as simulator, reading(postgres_url) as store:
        variables = environment(postgres_url, Broker(f"{url}?ssl_ca_certs={certificate}"), simulator.url)
        track(store.database, 1)
        renderwatch(programs, variables, "worker", "--concurrency", "1")
        renderwatch(programs, variables, "beat")
        wait_for(lambda: checks(store), 60, "a check")


def test_a_valkey_url_is_understood(redis_service: Broker, programs: Programs, sqlite_url: str) -> None:
    broker = Broker(redis_service.url.replace("redis://", "valkey://"), redis_service.options)
    doctor = renderwatch(programs, environment(sqlite_url, broker, "http://127.0.0.1:9"), "doctor", "--only", "broker")
    doctor.ends(60)
    assert "ok    broker: responds" in doctor.log
