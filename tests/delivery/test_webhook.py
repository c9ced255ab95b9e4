"""Events as webhooks, to real servers that do everything a server can do wrong."""

import base64
import gzip
import json
import socket
import threading
import time
from collections.abc import Callable

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.delivery.conftest import HOST
from tests.delivery.sending import attempt_webhook, send_webhook, why_refused
from tests.support.endpoint import Endpoint, Received, answering
from tests.support.processes import wait_for
from worker.delivery.http_client import HttpClient
from worker.delivery.webhook import Webhooks
from worker.domain.deliveries.attempt import Attempt
from worker.domain.deliveries.failure import DeliveryError
from worker.domain.deliveries.webhook_url import parse_webhook_url

OLD, NEW = (f"whsec_{base64.b64encode(letter * 32).decode()}" for letter in (b"o", b"n"))
PAYLOAD = {"id": "0190", "type": "project.completed", "metadata": {"näme": "☃"}, "downloads": []}
SHORTLY = 2.0

Make = Callable[..., HttpClient]


def send(
    client: HttpClient, endpoint: Endpoint, target: str = "/hook", *, scheme: str = "https", host: str = HOST
) -> int:
    url = parse_webhook_url(f"{scheme}://{host}:{endpoint.port}{target}")
    return send_webhook(client, url, [NEW], "message-1", PAYLOAD)


def attempt(client: HttpClient, endpoint: Endpoint) -> Attempt:
    url = parse_webhook_url(f"https://{HOST}:{endpoint.port}/hook")
    return attempt_webhook(client, url, [NEW], "message-1", PAYLOAD)


def refusal(client: HttpClient, endpoint: Endpoint) -> str:
    return why_refused(attempt(client, endpoint).error)


# --- what is sent ---------------------------------------------------------------------------------------------------


def test_an_event_arrives_signed(make_client: Make, secure: Endpoint) -> None:
    assert send(make_client(), secure, "/hook/7") == 204

    (received,) = secure.received
    assert Webhook(NEW).verify(received.body, received.headers) == PAYLOAD
    assert (received.method, received.target) == ("POST", "/hook/7")
    assert received.headers["webhook-id"] == "message-1"
    assert received.headers["content-type"] == "application/json"
    assert received.headers["host"] == f"{HOST}:{secure.port}"
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD).verify(received.body, received.headers)


def test_a_trace_goes_on_at_the_endpoint_without_the_callers_baggage(make_client: Make, secure: Endpoint) -> None:
    trace = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tracestate": "shop=1", "baggage": "customer=7"}
    webhooks = Webhooks(make_client(), {f"https://{HOST}:{secure.port}/*": [NEW]}, allow_http=False)

    webhooks.send(parse_webhook_url(f"https://{HOST}:{secure.port}/hook"), "message-1", PAYLOAD, trace)

    (received,) = secure.received
    assert received.headers["traceparent"] == trace["traceparent"]
    assert received.headers["tracestate"] == trace["tracestate"]
    assert "baggage" not in received.headers


def test_during_a_rotation_each_of_two_secrets_verifies(make_client: Make, secure: Endpoint) -> None:
    url = parse_webhook_url(f"https://{HOST}:{secure.port}/")
    send_webhook(make_client(), url, [NEW, OLD], "message-1", PAYLOAD)

    (received,) = secure.received
    assert len(received.headers["webhook-signature"].split(" ")) == 2
    assert Webhook(OLD).verify(received.body, received.headers) == Webhook(NEW).verify(received.body, received.headers)


def test_the_secrets_themselves_are_never_sent(make_client: Make, secure: Endpoint) -> None:
    send(make_client(), secure)
    assert NEW.removeprefix("whsec_") not in str(secure.received)


def test_connections_stay_open(make_client: Make, secure: Endpoint) -> None:
    client = make_client()
    for _ in range(5):
        send(client, secure)
    assert [each.connection for each in secure.received] == [1] * 5


def test_a_connection_that_the_server_has_closed_is_replaced(make_client: Make, secure: Endpoint) -> None:
    client = make_client()

    def answer_and_close(_: Received, connection: socket.socket) -> None:
        connection.sendall(answering("200 OK"))
        raise OSError

    secure.behaviour = answer_and_close
    for _ in range(3):
        send(client, secure)
    assert [each.connection for each in secure.received] == [1, 2, 3]


def test_a_connection_that_closes_just_as_it_is_used_again_costs_no_attempt(
    make_client: Make, secure: Endpoint
) -> None:
    client = make_client()
    send(client, secure)

    def hang_up_on_the_first(received: Received, connection: socket.socket) -> None:
        if received.connection == 1:
            raise OSError
        connection.sendall(answering("200 OK"))

    secure.behaviour = hang_up_on_the_first
    assert send(client, secure) == 200
    assert [each.connection for each in secure.received] == [1, 1, 2]
    assert len({each.headers["webhook-id"] for each in secure.received}) == 1


def test_hosts_do_not_share_connections(make_client: Make, secure: Endpoint, names: dict[str, object]) -> None:
    names["other.example.com"] = ["127.0.0.1"]
    client = make_client()
    send(client, secure)
    with pytest.raises(DeliveryError, match="certificate is not valid"):
        send(client, secure, host="other.example.com")
    assert secure.connections == 2


def test_no_more_connections_stay_open_than_was_said(
    make_client: Make, plain: Endpoint, names: dict[str, object]
) -> None:
    client = make_client(connections=2)
    for number in range(4):
        names[f"host{number}.example.com"] = ["127.0.0.1"]
        send(client, plain, scheme="http", host=f"host{number}.example.com")
    send(client, plain, scheme="http", host="host3.example.com")
    send(client, plain, scheme="http", host="host0.example.com")
    assert [each.connection for each in plain.received] == [1, 2, 3, 4, 4, 5]


# --- what is answered -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "202 Accepted", "204 No Content", "299 Fine"])
def test_any_2xx_confirms(make_client: Make, secure: Endpoint, status: str) -> None:
    secure.behaviour = lambda _, connection: connection.sendall(
        answering(status, b"" if "204" in status else b"thanks")
    )
    assert send(make_client(), secure) == int(status[:3])


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("400 Bad Request", "400 Bad Request: no thanks"),
        ("401 Unauthorized", "401 Unauthorized: no thanks"),
        ("404 Not Found", "404 Not Found: no thanks"),
        ("410 Gone", "410 Gone: no thanks"),
        ("500 Oh Dear", "500 Internal Server Error: no thanks"),
        ("599 What", "599: no thanks"),
    ],
)
def test_anything_else_is_a_failure_with_its_reason(
    make_client: Make, secure: Endpoint, status: str, reason: str
) -> None:
    secure.behaviour = lambda _, connection: connection.sendall(answering(status, b"no\r\n\x1b[31m thanks\0"))
    made = attempt(make_client(), secure)
    assert why_refused(made.error).replace("[31m ", "") == reason
    assert made.status == int(status[:3])
    assert made.seconds is not None


@pytest.mark.parametrize(
    ("status", "blames_destination", "is_final"),
    [("400 Bad", False, False), ("404 None", True, False), ("410 Gone", False, True), ("500 Broken", True, False)],
)
def test_an_answer_says_whether_the_event_or_the_endpoint_is_at_fault(
    make_client: Make, secure: Endpoint, status: str, *, blames_destination: bool, is_final: bool
) -> None:
    secure.behaviour = lambda _, connection: connection.sendall(answering(status))
    error = attempt(make_client(), secure).error
    assert isinstance(error, DeliveryError)
    assert (error.blames_destination, error.is_final) == (blames_destination, is_final)


def test_an_event_is_never_sent_unsigned_or_in_the_clear(make_client: Make, plain: Endpoint, secure: Endpoint) -> None:
    webhooks = Webhooks(make_client(), {f"http://{HOST}:{plain.port}": [NEW]}, allow_http=False)
    with pytest.raises(DeliveryError, match="RENDERWATCH_WEBHOOK_SECRETS has no secret"):
        webhooks.send(parse_webhook_url(f"https://{HOST}:{secure.port}/"), "message-1", PAYLOAD)
    with pytest.raises(DeliveryError, match="RENDERWATCH_WEBHOOK_ALLOW_HTTP"):
        webhooks.send(parse_webhook_url(f"http://{HOST}:{plain.port}/"), "message-1", PAYLOAD)
    assert plain.connections + secure.connections == 0


@pytest.mark.parametrize(
    "status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"]
)
def test_no_redirect_is_followed(make_client: Make, secure: Endpoint, plain: Endpoint, status: str) -> None:
    location = f"Location: http://127.0.0.1:{plain.port}/"
    secure.behaviour = lambda _, connection: connection.sendall(answering(status, b"", location))
    assert "redirects are not followed" in refusal(make_client(), secure)
    assert plain.connections == 0


@pytest.mark.parametrize(("status", "counts"), [("429 Too Many", True), ("503 Busy", True), ("500 Broken", False)])
def test_retry_after_counts_where_it_means_something(
    make_client: Make, secure: Endpoint, status: str, *, counts: bool
) -> None:
    secure.behaviour = lambda _, connection: connection.sendall(answering(status, b"", "Retry-After: 120"))
    error = attempt(make_client(), secure).error
    assert isinstance(error, DeliveryError)
    assert error.retry_after == (120 if counts else None)


def test_a_reason_is_short_and_keeps_no_secrets(make_client: Make, secure: Endpoint) -> None:
    echo = b'{"url": "https://files.example/1.mp4?signature=hunter2", "token=hunter2": "' + b"x" * 100_000
    secure.behaviour = lambda _, connection: connection.sendall(answering("500 Broken", echo))
    reason = refusal(make_client(), secure)
    assert "hunter2" not in reason
    assert "https://files.example/1.mp4" in reason
    assert len(reason) < 600


def test_a_compressed_reason_is_no_bomb(make_client: Make, secure: Endpoint) -> None:
    bomb = gzip.compress(b"x" * 10_000_000)
    secure.behaviour = lambda _, connection: connection.sendall(answering("500 Broken", bomb, "Content-Encoding: gzip"))
    assert len(refusal(make_client(), secure)) < 600


# --- servers that misbehave -----------------------------------------------------------------------------------------


def test_a_server_that_hangs_is_given_up(make_client: Make, secure: Endpoint) -> None:
    secure.behaviour = lambda _, connection: connection.recv(1)
    assert refusal(make_client(timeout=SHORTLY), secure).startswith("no answer in time")


def _drip(part: bytes, endpoint: Endpoint) -> Callable[[Received, socket.socket], None]:
    def drip(_: Received, connection: socket.socket) -> None:
        while not endpoint.is_stopped:
            connection.sendall(part)
            time.sleep(0.1)

    return drip


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 500 Broken\r\nX: "])
def test_a_head_that_drips_is_given_up(make_client: Make, secure: Endpoint, start: bytes) -> None:
    def drip(received: Received, connection: socket.socket) -> None:
        connection.sendall(start)
        _drip(b"H", secure)(received, connection)

    secure.behaviour = drip
    assert refusal(make_client(timeout=SHORTLY), secure).startswith("no answer in time")


def test_interim_answers_without_end_are_given_up(make_client: Make, secure: Endpoint) -> None:
    secure.behaviour = _drip(b"HTTP/1.1 100 Continue\r\n\r\n", secure)
    assert refusal(make_client(timeout=SHORTLY), secure).startswith("no answer in time")


@pytest.mark.parametrize(("status", "confirms"), [("200 OK", True), ("500 Broken", False)])
def test_a_body_that_drips_is_not_waited_for(
    make_client: Make, secure: Endpoint, status: str, *, confirms: bool
) -> None:
    def drip(received: Received, connection: socket.socket) -> None:
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 1000000\r\n\r\n".encode())
        _drip(b"x", secure)(received, connection)

    secure.behaviour = drip
    client = make_client(timeout=600.0)  # only a body that is not waited for ends before the test does
    if confirms:
        assert send(client, secure) == 200
    else:
        assert refusal(client, secure).startswith("500 Internal Server Error: x")


def test_a_handshake_that_never_ends_is_given_up(make_client: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = parse_webhook_url(f"https://{HOST}:{silent.getsockname()[1]}/")
        with pytest.raises(DeliveryError, match="no answer in time"):
            send_webhook(make_client(timeout=SHORTLY), url, [NEW], "message-1", PAYLOAD)


def test_a_body_that_is_not_read_is_given_up(make_client: Make) -> None:
    large = {"type": "project.completed", "metadata": "x" * 30_000_000}
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = parse_webhook_url(f"http://127.0.0.1:{deaf.getsockname()[1]}/")
        with pytest.raises(DeliveryError, match="no answer in time"):
            send_webhook(make_client(timeout=SHORTLY), url, [NEW], "message-1", large)


def test_a_name_server_that_hangs_is_given_up_and_holds_one_thread(
    make_client: Make, secure: Endpoint, names: dict[str, object]
) -> None:
    release = threading.Event()
    asked: list[int] = []

    def hang() -> list[str]:
        asked.append(1)
        release.wait(60)
        return ["127.0.0.1"]

    names[HOST] = hang
    client = make_client(timeout=0.5)
    for _ in range(3):
        assert "the name server did not answer" in refusal(client, secure)
    assert len(asked) == 1
    release.set()


def test_a_late_answer_counts_if_it_is_in_time(make_client: Make, secure: Endpoint) -> None:
    def late(_: Received, connection: socket.socket) -> None:
        time.sleep(0.5)
        connection.sendall(answering("200 OK"))

    secure.behaviour = late
    assert send(make_client(), secure) == 200


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (b"", "closed the connection without an answer"),
        (b"HTTP/1.1 20", "its answer is not HTTP"),
        (b"nonsense\r\n\r\n", "its answer is not HTTP"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "its answer is not HTTP"),
    ],
)
def test_a_server_that_breaks_off_has_not_confirmed(
    make_client: Make, secure: Endpoint, start: bytes, reason: str
) -> None:
    def break_off(_: Received, connection: socket.socket) -> None:
        connection.sendall(start)
        raise OSError

    secure.behaviour = break_off
    assert reason in refusal(make_client(), secure)


def test_a_server_that_breaks_off_in_the_body_has_answered(make_client: Make, secure: Endpoint) -> None:
    def break_off(_: Received, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 502 Bad\r\nContent-Length: 100\r\n\r\nhalf")
        raise OSError

    secure.behaviour = break_off
    client = make_client()
    assert refusal(client, secure) == "502 Bad Gateway: half"
    assert refusal(client, secure) == "502 Bad Gateway: half"
    assert secure.connections == 2


@pytest.mark.parametrize(
    "head", [b"X: " + b"x" * 60_000 + b"\r\n", b"X: y\r\n" * 200, b"X: " + b"x" * 30_000 + b"\r\n"]
)
def test_a_huge_head_is_given_up(make_client: Make, secure: Endpoint, head: bytes) -> None:
    def huge(_: Received, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        for _each in range(50):
            connection.sendall(head)

    secure.behaviour = huge
    reason = refusal(make_client(), secure)
    assert "larger than 64 KiB" in reason or "not HTTP" in reason


def test_a_port_where_nobody_listens_is_a_failure(make_client: Make, secure: Endpoint) -> None:
    secure.stop()
    assert "no connection: Connection refused" in refusal(make_client(), secure)


def test_a_server_that_restarts_is_reached_again(make_client: Make, plain: Endpoint) -> None:
    client = make_client()
    send(client, plain, scheme="http", host="127.0.0.1")
    plain.stop()
    with pytest.raises(DeliveryError):
        send(client, plain, scheme="http", host="127.0.0.1")
    again = Endpoint(port=plain.port)
    try:
        assert send(client, again, scheme="http", host="127.0.0.1") == 204
    finally:
        again.stop()


def test_several_threads_send_at_once(make_client: Make, secure: Endpoint) -> None:
    client = make_client()
    together = threading.Barrier(8)

    def answer_all_at_once(_: Received, connection: socket.socket) -> None:
        together.wait(30)
        connection.sendall(answering("200 OK"))

    secure.behaviour = answer_all_at_once
    threads = [threading.Thread(target=send, args=(client, secure)) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(secure.received) == 8, 30, "eight requests at once")
    for thread in threads:
        thread.join(30)
    assert {json.loads(each.body)["id"] for each in secure.received} == {"0190"}
