"""The simulator's webhooks: what is sent, how it is signed, and what goes wrong on purpose."""

import hashlib
import hmac
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.support.processes import wait_for
from worker.simulator import SimulatorOptions, WebhookOptions, running_simulator

SECRET = "whsec_of-the-simulator"  # noqa: S105  for this test
QUICK = SimulatorOptions(seed=3, time_scale=2000, failure_rate=0.3, cancel_rate=0.3)


@dataclass
class Received:
    """An endpoint, and what it received; it refuses the first ``refusals``."""

    url: str = ""
    refusals: int = 0
    good: list[dict[str, Any]] = field(default_factory=list)
    forged: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, headers: Any, body: bytes) -> int:  # noqa: ANN401  of http.server
        timestamp = headers["magic-hour-event-timestamp"]
        expected = hmac.new(SECRET.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        with self.lock:
            if headers["magic-hour-event-signature"] != expected:
                self.forged += 1
                return 401
            if self.refusals:
                self.refusals -= 1
                return 503
            self.good.append(json.loads(body))
            return 200


@contextmanager
def endpoint(refusals: int = 0) -> Iterator[Received]:
    received = Received(refusals=refusals)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(received.take(self.headers, body))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()


def test_each_start_and_end_is_sent_once_signed_and_again_after_a_refusal() -> None:
    with endpoint(refusals=5) as received, running_simulator(QUICK) as simulator:
        with simulator.sending_webhooks(WebhookOptions(url=received.url, secret=SECRET)):
            projects = simulator.create(60)
            events = {"rendering": "started", "complete": "completed", "error": "errored"}
            expected = Counter(
                (project.id, f"{project.kind}.{events[moment]}")
                for project in projects
                for moment in {each.status for each in project.life.moments} & events.keys()
            )
            wait_for(lambda: len(received.good) >= expected.total(), 30, "all webhooks come")
        assert Counter((each["payload"]["id"], each["type"]) for each in received.good) == expected
        assert {each["payload"]["status"] for each in received.good if "completed" in each["type"]} == {"complete"}
        assert simulator.stats()["webhooks"] == {"delivered": expected.total(), "failed attempts": 5}


def test_shares_of_them_are_lost_repeated_and_forged() -> None:
    options = {"secret": SECRET, "lost": 0.3, "duplicated": 0.3, "reordered": 0.3, "forged": 0.2}
    with endpoint() as received, running_simulator(QUICK) as simulator:
        with simulator.sending_webhooks(WebhookOptions(url=received.url, **options)):  # type: ignore[arg-type]
            simulator.create(200)
            counts = simulator.simulation.webhooks
            assert counts
            lost = counts.counts["lost"]
            sent = counts._number
            wait_for(
                lambda: counts.counts["delivered"] + counts.counts["forged and refused"] == sent, 60, "all were sent"
            )
        once = {(each["payload"]["id"], each["type"]) for each in received.good}
        assert 0.2 < lost / (lost + len(once)) < 0.4
        assert 0.2 < len(received.good) / len(once) - 1 < 0.4
        assert 0.1 < received.forged / len(once) < 0.3


@pytest.mark.parametrize(
    "wrong", [{"url": "ftp://host"}, {"url": "http://"}, {"secret": ""}, {"lost": 1.1}, {"forged": -0.1}]
)
def test_wrong_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"webhooks|must be between"):
        WebhookOptions(**({"url": "http://127.0.0.1/", "secret": SECRET} | wrong))
