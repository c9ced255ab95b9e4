"""How many events a second one worker delivers to a Celery destination on Redis, against a bare loop of ``send_task``.

Delivered means claimed, sent, and stored as sent, in PostgreSQL. What a message takes from the commit to the start of
the consumer's task is measured in latency.py.
"""

import time
from functools import partial
from typing import Any, Final

from celery import Celery

from benchmarks.speed.machine import redis_server, spread
from benchmarks.speed.webhooks import deliver_all
from worker.delivery.named_brokers import NamedBrokers
from worker.delivery.send import send
from worker.delivery.webhook import make_webhooks

_PAYLOAD: Final[dict[str, Any]] = {"id": "0190", "type": "project.completed", "metadata": {"order": "x" * 600}}
_WARM: Final = 100


def report(rounds: int, events: int) -> None:
    """Measure both, several times, and print what they did."""
    bare: list[float] = []
    delivered: list[float] = []
    for _ in range(rounds):
        with redis_server() as redis, Celery("benchmark", broker=redis.url, set_as_current=False) as app:
            bare.append(_bare_loop(app, events))
            webhooks = make_webhooks({}, allow_http=False, allow_networks=[], timeout=15)
            delivered.append(
                deliver_all(
                    "celery:downstream.news?queue=downstream", events, partial(send, NamedBrokers(app), webhooks)
                )
            )
    ratios = [ours / theirs for ours, theirs in zip(delivered, bare, strict=True)]
    print(f"Celery, {events} events to one queue on Redis, events/s:")
    print(f"  a bare loop of send_task   {spread(bare)}")
    print(f"  one worker                 {spread(delivered)}, {spread(ratios)} of the bare loop\n")


def _bare_loop(app: Celery, events: int) -> float:
    for _ in range(_WARM):
        app.send_task("downstream.news", kwargs={"event": _PAYLOAD}, queue="bare")
    began = time.monotonic()
    for _ in range(events):
        app.send_task("downstream.news", kwargs={"event": _PAYLOAD}, queue="bare")
    return events / (time.monotonic() - began)
