"""One bad caller harms only itself: wrong tokens, bodies without a token, and as many streams as it can open."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.adversary.web_process import WebProcess, web_process
from tests.support.processes import wait_for
from tests.web.conftest import token_for
from worker.store.access_tokens import revoke_token

BODY = 4 * 1024 * 1024
CONNECTIONS = 150


@pytest.fixture
def web(postgres_url: str, tmp_path: Path) -> Iterator[WebProcess]:
    with web_process(postgres_url, tmp_path) as running:
        yield running


def test_a_revoked_token_is_refused_and_nobody_else_behind_its_address(web: WebProcess) -> None:
    revoked = token_for(web.database, "read", name="revoked")
    with web.database.write() as connection:
        assert revoke_token(connection, "revoked")
    with web.client_with(revoked) as wrong, web.client("read", name="right") as right:
        for _ in range(25):
            assert wrong.get("/v1/projects").status_code in (401, 429)
            assert right.get("/v1/projects").status_code == 200
        # A right token that this process has not seen yet comes in too, and so does a person.
        token = token_for(web.database, "read", name="late")
        with web.client_with(token) as late:
            assert late.get("/v1/projects").status_code == 200
        page = httpx.post(f"{web.url}/login", data={"token": token}, trust_env=False)
        assert page.status_code == 303


def test_a_flood_of_different_wrong_tokens_keeps_no_right_one_out(web: WebProcess) -> None:
    def guess(number: int) -> int:
        headers = {"authorization": f"Bearer rw_{number:043}"}
        return httpx.get(f"{web.url}/v1/projects", headers=headers, trust_env=False, timeout=60).status_code

    with web.client("read") as right, ThreadPoolExecutor(8) as pool:
        guesses = [pool.submit(guess, number) for number in range(200)]
        assert [right.get("/v1/projects").status_code for _ in range(20)] == [200] * 20
        assert {each.result() for each in guesses} == {401}


def send_slowly(url: str, answers: list[bytes], headers: str = "") -> None:
    """Send all but the last byte of a large body, then read what is answered."""
    address = urlsplit(url)
    assert address.hostname
    assert address.port
    with socket.create_connection((address.hostname, address.port), 60) as connection:
        head = f"POST /v1/projects/bulk HTTP/1.1\r\nhost: x\r\n{headers}content-length: {BODY}\r\n\r\n"
        with contextlib.suppress(ConnectionError):  # the server may have stopped
            connection.sendall(head.encode())
            connection.sendall(b" " * (BODY - 1))
        with contextlib.suppress(ConnectionError):  # as above
            answers.append(connection.recv(100))


def test_bodies_without_a_token_are_refused_and_take_no_memory(web: WebProcess) -> None:
    before = web.memory
    answers: list[bytes] = []
    threads = [threading.Thread(target=send_slowly, args=(web.url, answers)) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    most = before
    while any(thread.is_alive() for thread in threads):
        most = max(most, web.memory)
        time.sleep(0.02)
    assert len(answers) == CONNECTIONS
    assert all(answer.startswith(b"HTTP/1.1 401 ") for answer in answers)
    assert most - before < 60 * 1024 * 1024, f"{(most - before) // 1024**2} MiB for nobody"


def test_large_bodies_of_one_token_leave_room_and_memory_for_others(web: WebProcess) -> None:
    token = token_for(web.database, "track", name="greedy")
    header = f"authorization: Bearer {token}\r\ncontent-type: application/json\r\n"
    before = web.memory
    answers: list[bytes] = []
    threads = [
        threading.Thread(target=send_slowly, args=(web.url, answers, header), daemon=True) for _ in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    with web.client("track", name="modest") as modest:
        project = b'{"kind": "video", "project_id": "project-000001"}'
        json = {"content-type": "application/json"}
        large = b'{"projects": [' + project + b" " * 200_000 + b"]}"
        wait_for(lambda: web.memory > before + BODY, 30, "the large bodies arrive")
        assert modest.post("/v1/projects", content=project, headers=json).status_code in (200, 201)
        assert modest.post("/v1/projects/bulk", content=large, headers=json).status_code == 200
    assert web.memory - before < 150 * 1024 * 1024


def test_one_token_cannot_take_all_places_for_streams(web: WebProcess) -> None:
    with ExitStack() as stack, web.client("read", name="greedy") as greedy, web.client("read", name="other") as other:
        codes: list[int] = []
        received: list[Iterator[bytes]] = []
        for _ in range(210):
            answer = stack.enter_context(greedy.stream("GET", "/v1/events"))
            codes.append(answer.status_code)
            if answer.status_code != 200:
                break
            received.append(answer.iter_raw())
            next(received[-1])  # it has its place
        assert codes[-1] == 429
        assert len(codes) > 100
        with other.stream("GET", "/v1/events") as answer:
            assert answer.status_code == 200


TAMPERED = (
    "WyJjcmVkaXRzIiwgdHJ1ZSwgMV0",  # ["credits", true, 1]
    "WyJkdWUiLCAiMDAwMS0wMS0wMVQwMDowMDowMCsyMzo1OSIsIDFd",  # ["due", "0001-01-01T00:00:00+23:59", 1]
    "WyJkdWUiLCAiOTk5OS0xMi0zMVQyMzo1OTo1OS0yMzo1OSIsIDFd",  # ["due", "9999-12-31T23:59:59-23:59", 1]
    "W1tbW1tbW1tb" * 15,
    "\u00e9",
    "",
)


def test_a_cursor_that_was_tampered_with_is_a_bad_request(web: WebProcess) -> None:
    with web.client("read") as client:
        for sort in ("newest", "due", "credits"):
            for cursor in TAMPERED:
                answer = client.get("/v1/projects", params={"cursor": cursor, "sort": sort})
                assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor"), cursor
