"""Many requests at the same time, by both transports."""

import json
import os
import signal
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import FrameType

import pytest

from tests.magic_hour.bodies import VIDEO
from tests.magic_hour.server import SHORTLY, Server, raw, reply, serving
from tests.support.processes import wait_for
from worker.domain.projects.observation import Answer, CheckFailure, FailureKind, Observation
from worker.domain.projects.status import Kind
from worker.magic_hour.client import MagicHourClient
from worker.magic_hour.sender import MAX_BODY, Transport

KEY = "mhk_live_do-not-show-me"
AT_ANY_TIME = float("inf")


@pytest.fixture(params=["requests", "curl"])
def transport(request: pytest.FixtureRequest) -> Transport:
    if request.param == "curl":
        pytest.importorskip("pycurl")
    return request.param  # type: ignore[no-any-return]  # pytest's params have no type


@contextmanager
def client_of(api: Server, transport: Transport, connections: int, timeout: float = 60) -> Iterator[MagicHourClient]:
    with MagicHourClient(api.url, KEY, timeout=timeout, connections=connections, transport=transport) as client:
        yield client


def ids(count: int) -> list[str]:
    return [f"project-{n}" for n in range(count)]


def ask(client: MagicHourClient, names: list[str], latest_start: float = AT_ANY_TIME) -> dict[str, Answer]:
    asked: list[tuple[Kind, str]] = [("video", name) for name in names]
    answers = client.get_projects(asked, latest_start)
    return {names[position]: answer for position, (answer, _) in answers.items()}


def name_of(handler: BaseHTTPRequestHandler) -> str:
    return handler.path.rpartition("/")[2]


def good(handler: BaseHTTPRequestHandler) -> None:
    reply(200, json.dumps(VIDEO | {"id": name_of(handler)}).encode())(handler)


def server_of(handler: BaseHTTPRequestHandler) -> Server:
    assert isinstance(handler.server, Server)
    return handler.server


def hang(handler: BaseHTTPRequestHandler) -> None:
    server_of(handler).stopping.wait()


def reset(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True


def by_name(odd: Mapping[str, Callable[[BaseHTTPRequestHandler], None]]) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda handler: odd.get(name_of(handler), good)(handler)


def seen(answers: dict[str, Answer]) -> list[str]:
    return [name for name, answer in answers.items() if isinstance(answer, Observation) and answer.project_id == name]


def test_what_goes_wrong_with_one_request_is_no_other_ones_trouble(transport: Transport) -> None:
    odd = {
        "project-hangs": hang,
        "project-resets": reset,
        "project-ends": raw(b""),
        "project-oversized": reply(200, b" " * (MAX_BODY + 1)),
        "project-not-found": reply(404, b'{"message": "Not Found"}'),
        "project-limited": reply(429, b"{}", Retry_After="7"),
        "project-redirects": reply(302, Location="/elsewhere"),
    }
    with serving(by_name(odd)) as api, client_of(api, transport, 60, timeout=SHORTLY) as client:
        answers = ask(client, [*ids(20), *odd, "no id!", *(f"project-more-{n}" for n in range(20))])
    assert len(seen(answers)) == 40
    failed = {name: answer for name, answer in answers.items() if isinstance(answer, CheckFailure)}
    assert {name: answer.kind for name, answer in failed.items()} == {
        "project-hangs": FailureKind.UNAVAILABLE,
        "project-resets": FailureKind.UNAVAILABLE,
        "project-ends": FailureKind.UNAVAILABLE,
        "project-oversized": FailureKind.BAD_ANSWER,
        "project-not-found": FailureKind.NOT_FOUND,
        "project-limited": FailureKind.RATE_LIMITED,
        "project-redirects": FailureKind.BAD_ANSWER,
        "no id!": FailureKind.REFUSED,
    }
    assert "Timeout" in failed["project-hangs"].detail
    assert failed["project-limited"].retry_after == 7
    assert set(Counter(api.paths).values()) == {1}
    assert len(api.paths) == len(answers) - 1


def together(count: int) -> Callable[[BaseHTTPRequestHandler], None]:
    """Answers nobody before so many have asked."""
    arrived = threading.Barrier(count)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        arrived.wait(60)
        good(handler)

    return answer


@pytest.mark.parametrize(("transport", "count"), [("requests", 40), ("curl", 400)])
def test_as_many_requests_are_under_way_as_latency_asks_for(transport: Transport, count: int) -> None:
    """The second time each waits for all others: they are answered only if all are under way at the same time."""
    if transport == "curl":
        pytest.importorskip("pycurl")

    def slow(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.3)
        good(handler)

    with serving(slow) as api, client_of(api, transport, 1000) as client:
        assert len(seen(ask(client, ids(count)))) == count
        api.answer = together(count)
        assert len(seen(ask(client, ids(count)))) == count


def test_never_more_are_under_way_than_there_may_be_connections(transport: Transport) -> None:
    running: set[object] = set()
    most = 0
    lock = threading.Lock()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        nonlocal most
        with lock:
            running.add(handler)
            most = max(most, len(running))
        time.sleep(0.01)
        with lock:
            running.remove(handler)
        good(handler)

    with serving(answer) as api, client_of(api, transport, 5) as client:
        assert len(seen(ask(client, ids(60)))) == 60
        assert len(seen(ask(client, ids(60)))) == 60
    assert 1 < most <= 5
    assert len(api.connections) <= 5


def test_nothing_starts_after_the_latest_start(transport: Transport) -> None:
    def slow(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(1)
        good(handler)

    with serving(slow) as api, client_of(api, transport, 3) as client:
        assert ask(client, ids(5), latest_start=time.monotonic() - 1) == {}
        assert api.paths == []
        answers = ask(client, ids(9), latest_start=time.monotonic() + 0.5)
    assert len(seen(answers)) == len(api.paths) == 3


def test_open_connections_that_broke_meanwhile_send_no_request_again(transport: Transport) -> None:
    with serving(good) as api, client_of(api, transport, 20) as client:
        assert len(seen(ask(client, ids(20)))) == 20
        api.answer = raw(b"")
        answers = ask(client, [f"project-later-{n}" for n in range(20)])
    assert {answer.kind for answer in answers.values() if isinstance(answer, CheckFailure)} == {FailureKind.UNAVAILABLE}
    assert len(answers) == 20
    assert set(Counter(api.paths).values()) == {1}


class _StopError(Exception):
    pass


def _stop(_: int, __: FrameType | None) -> None:
    raise _StopError


def test_breaking_off_closes_what_is_under_way_and_the_next_batch_works() -> None:
    """As Celery's soft time limit does it: with an exception out of a signal handler."""
    pytest.importorskip("pycurl")
    with serving(hang) as api, client_of(api, "curl", 50) as client:
        before = open_files()
        usual = signal.signal(signal.SIGALRM, _stop)
        try:
            threading.Thread(target=interrupt, args=(api,)).start()
            with pytest.raises(_StopError):
                ask(client, ids(50))
        finally:
            signal.signal(signal.SIGALRM, usual)
        api.stopping.set()
        wait_for(lambda: open_files() <= before, 60, "every socket is closed", open_files)
        api.answer = good
        assert len(seen(ask(client, ids(50)))) == 50


def interrupt(api: Server) -> None:
    wait_for(lambda: len(api.paths) == 50, 60, "all have been asked for")
    os.kill(os.getpid(), signal.SIGALRM)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_no_connection_outlives_its_client(transport: Transport) -> None:
    odd = {"project-resets": reset, "project-ends": raw(b""), "project-oversized": reply(200, b" " * (MAX_BODY + 1))}
    with serving(by_name(odd)) as api:
        before = open_files()
        for _ in range(10):
            with client_of(api, transport, 8) as client:
                for _ in range(3):
                    ask(client, [*ids(20), *odd])
                assert open_files() <= before + 2 * 8 + 6  # both ends are in this process
        wait_for(lambda: open_files() <= before, 60, "every socket is closed", open_files)


def test_many_large_answers_at_a_time_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pycurl")
    from worker.magic_hour import curl_transfer  # noqa: PLC0415  needs pycurl

    monkeypatch.setattr(curl_transfer, "_MOST_HELD", 2 * MAX_BODY)
    part = b" " * (MAX_BODY * 3 // 4)

    def large(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(MAX_BODY))
        handler.end_headers()
        handler.wfile.write(part)
        hang(handler)

    odd = {f"project-large-{n}": large for n in range(8)}
    with serving(by_name(odd)) as api, client_of(api, "curl", 60, timeout=SHORTLY) as client:
        answers = ask(client, [*odd, *ids(40)])
        assert len(seen(answers)) == 40
        large_ones = [answers[name] for name in odd]
        details = [answer.detail for answer in large_ones if isinstance(answer, CheckFailure)]
        assert sum("too many large ones" in detail for detail in details) >= 6  # the others time out
        api.answer = by_name({f"project-large-{n}": reply(200, b" " * (MAX_BODY - 1)) for n in range(1)})
        again = ask(client, ["project-large-0"])["project-large-0"]
    assert isinstance(again, CheckFailure)
    assert "not JSON" in again.detail  # it was read to its end: what broke off holds no memory
