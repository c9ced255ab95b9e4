"""How many events a second one worker delivers to an HTTPS endpoint, against a bare loop of the same client.

Delivered means claimed, signed, sent, answered, and stored as confirmed, in PostgreSQL.
"""

import ipaddress
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from celery import Celery

from benchmarks.speed.machine import spread
from tests.store.world import begin, claim, record, seen, track
from tests.support.certificates import make_certificate
from tests.support.services import POSTGRES_URL, postgres_database
from worker.delivery.http_client import HttpClient
from worker.delivery.named_brokers import NamedBrokers
from worker.delivery.send import send
from worker.delivery.webhook import Webhooks
from worker.domain.deliveries.webhook_url import parse_webhook_url
from worker.settings import Settings
from worker.store.engine import Database
from worker.store.schema import migrate
from worker.tracking.deliver import Send, deliver

_THREADS: Final = 8
_WARM: Final = 100
_SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105  of nobody
_PAYLOAD: Final[dict[str, Any]] = {"id": "0190", "type": "project.completed", "metadata": {"order": "x" * 600}}


def report(rounds: int, events: int) -> None:
    """Measure both, several times, and print what they did."""
    bare: list[float] = []
    delivered: list[float] = []
    with tempfile.TemporaryDirectory() as folder, _endpoint(Path(folder)) as port:
        for _ in range(rounds):
            bare.append(_bare_loop(port, events))
            delivered.append(_delivered(port, events))
    ratios = [ours / theirs for ours, theirs in zip(delivered, bare, strict=True)]
    print(f"webhooks, {events} events to one HTTPS endpoint at no latency, events/s:")
    print(f"  a bare loop of the client, {_THREADS} threads   {spread(bare)}")
    print(f"  one worker                        {spread(delivered)}, {spread(ratios)} of the bare loop\n")


def _client() -> HttpClient:
    return HttpClient([ipaddress.ip_network("127.0.0.0/8")], 15.0, 64)


def _bare_loop(port: int, events: int) -> float:
    webhooks = Webhooks(_client(), {f"https://127.0.0.1:{port}": [_SECRET]}, allow_http=False)
    url = parse_webhook_url(f"https://127.0.0.1:{port}/hook")
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(lambda _: webhooks.send(url, "message", _PAYLOAD), range(_WARM)))
        began = time.monotonic()
        made = list(pool.map(lambda _: webhooks.send(url, "message", _PAYLOAD), range(events)))
        took = time.monotonic() - began
    webhooks.close()
    assert all(each.error is None for each in made)  # noqa: S101  or it measured something else
    return events / took


def _delivered(port: int, events: int) -> float:
    webhooks = Webhooks(_client(), {f"https://127.0.0.1:{port}": [_SECRET]}, allow_http=False)
    app = Celery("benchmark", broker="memory://", set_as_current=False)
    rate = deliver_all(f"https://127.0.0.1:{port}/hook", events, partial(send, NamedBrokers(app), webhooks))
    webhooks.close()
    return rate


def deliver_all(destination: str, events: int, send: Send) -> float:
    """Store so many events for a destination, deliver them as one worker does, and return how many a second."""
    with postgres_database(POSTGRES_URL) as url:
        database = Database(url)
        migrate(database)
        track(database, *range(events))
        for batch in claim(database, batch_size=1000, max_in_flight=events):
            lease = begin(database, batch.token)
            if lease:
                record(database, lease, seen("complete"), {"project.completed": [destination]})
        sent = 0
        began = time.monotonic()
        while sent < events:
            sent += deliver(database, Settings(), send).sent
        took = time.monotonic() - began
        database.close()
    return events / took


@contextmanager
def _endpoint(folder: Path) -> Iterator[int]:
    certificate = make_certificate(folder)
    if certificate is None:
        raise SystemExit("there is no openssl on the PATH, which makes a certificate")
    os.environ["REQUESTS_CA_BUNDLE"] = str(folder / "certificate.pem")
    command = [sys.executable, "-m", "benchmarks.speed.endpoint", str(certificate)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  our own
        try:
            assert process.stdout is not None  # noqa: S101  it is a pipe
            yield int(process.stdout.readline())
        finally:
            process.kill()
