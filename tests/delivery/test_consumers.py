"""The documented consumers do what they say: they verify, and take each event once."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.delivery.sending import attempt_webhook, send_webhook
from tests.support.processes import ROOT, Program, Programs, free_port, wait_for
from worker.delivery.http_client import HttpClient
from worker.domain.deliveries.failure import DeliveryError
from worker.domain.deliveries.webhook_url import WebhookUrl

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105  of these tests
OTHER = "whsec_b3RoZXIgc2VjcmV0IG9mIHRoZXNlIHRlc3Rz"
EVENT = {"id": "0190", "type": "project.completed", "project_id": "cmb1xk2v80000l70", "credits_after": 360}

Make = Callable[..., HttpClient]


@pytest.fixture(params=["fastapi", "django"])
def consumer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Program, WebhookUrl]]:
    """One of the examples, as a process of its own."""
    port = free_port()
    serve = f"from wsgiref.simple_server import make_server as m; m('127.0.0.1', {port}, application).serve_forever()"
    commands = {
        "fastapi": ["-m", "uvicorn", "webhook_fastapi:app", "--port", str(port)],
        "django": ["-c", f"from webhook_django import application; {serve}"],
    }
    variables = {"PYTHONPATH": str(ROOT / "examples"), "WEBHOOK_SECRET": SECRET, "PYTHONUNBUFFERED": "1"}
    with Programs(tmp_path) as programs:
        program = programs.start(request.param, commands[request.param], variables)
        yield program, WebhookUrl("http", "127.0.0.1", port, "/renders")


def test_an_example_takes_an_event_once_and_no_forged_one(
    consumer: tuple[Program, WebhookUrl], make_client: Make, tmp_path: Path
) -> None:
    program, url = consumer
    client = make_client()

    def is_ready() -> bool:
        assert program.process.poll() is None, program.log
        return attempt_webhook(client, url, [OTHER], "message-1", EVENT).status is not None

    wait_for(is_ready, 60, "the consumer answers")
    with pytest.raises(DeliveryError, match="401"):
        send_webhook(client, url, [OTHER], "message-1", EVENT)
    for secrets in ([SECRET], [OTHER, SECRET]):
        assert send_webhook(client, url, secrets, "message-1", EVENT) == 204
    trial = EVENT | {"id": "0191", "type": "project.failed", "example": True}
    assert send_webhook(client, url, [SECRET], "message-2", trial) == 204

    with closing(sqlite3.connect(tmp_path / "orders.db")) as database:
        rows = database.execute("SELECT * FROM received").fetchall()
    assert rows == [("0190", "cmb1xk2v80000l70", 360)]
    assert "an example of project.failed has arrived" in program.log
    assert program.log.count("project.completed cmb1xk2v80000l70") == 1


def test_headers_that_make_no_sense_are_refused(consumer: tuple[Program, WebhookUrl], make_client: Make) -> None:
    _, url = consumer
    client, origin = make_client(), ("http", url.host, url.port)

    def answers() -> int:
        try:
            return client.post(origin, url.path, headers, b"\xff").status
        except OSError:
            return 0

    headers = {"webhook-id": "1", "webhook-timestamp": "1", "webhook-signature": "v1"}
    assert wait_for(answers, 60, "the consumer answers") == 401
