import gzip
import json
import logging
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.projects.observation import Answer, CheckFailure, FailureKind, Observation
from worker.domain.projects.status import KINDS, Kind
from worker.domain.scheduling.retry_after import seconds_of
from worker.magic_hour.client import MagicHourClient
from worker.magic_hour.sender import MAX_BODY, ApiConfig, Transport

from . import server
from .bodies import AUDIO, IMAGE, VIDEO
from .server import Server, raw, reply, serving

KEY = "mhk_live_do-not-show-me"
ID = VIDEO["id"]
GOOD = json.dumps(VIDEO).encode()


# Everything below must hold for both.
_in_use: list[Transport] = []


@pytest.fixture(scope="module", params=["requests", "curl"], autouse=True)
def transport(request: pytest.FixtureRequest) -> Iterator[Transport]:
    if request.param == "curl":
        pytest.importorskip("pycurl")
    _in_use.append(request.param)
    yield request.param
    _in_use.clear()


@contextmanager
def client_of(url: str, timeout: float = server.SHORTLY) -> Iterator[MagicHourClient]:
    with MagicHourClient(url, KEY, timeout=timeout, connections=2, transport=_in_use[-1]) as client:
        yield client


def ask(answer: server.Answer, timeout: float = server.SHORTLY) -> Answer:
    with serving(answer) as api, client_of(api.url, timeout) as client:
        return client.get_project("video", ID)


def failure(answer: server.Answer, timeout: float = server.SHORTLY) -> CheckFailure:
    got = ask(answer, timeout)
    assert isinstance(got, CheckFailure)
    assert KEY not in repr(got)
    return got


@pytest.mark.parametrize(("kind", "body"), [("video", VIDEO), ("image", IMAGE), ("audio", AUDIO)])
def test_asks_for_each_kind_at_its_own_path(kind: Kind, body: dict[str, object]) -> None:
    with serving(reply(200, json.dumps(body).encode())) as api, client_of(api.url + "/") as client:
        seen = client.get_project(kind, str(body["id"]))
    assert isinstance(seen, Observation)
    assert seen.project_id == body["id"]
    assert api.paths == [f"/v1/{kind}-projects/{body['id']}"]
    assert api.authorizations == [f"Bearer {KEY}"]


def test_keeps_a_path_in_the_base_url() -> None:
    with serving(reply(200, GOOD)) as api, client_of(api.url + "/mock/") as client:
        client.get_project("video", ID)
    assert api.paths == [f"/mock/v1/video-projects/{ID}"]


def test_uses_a_connection_again() -> None:
    with serving(reply(200, GOOD)) as api, client_of(api.url) as client:
        for _ in range(3):
            client.get_project("video", ID)
    assert len(api.paths) == 3
    assert len(api.connections) == 1


def test_reads_a_compressed_answer() -> None:
    assert isinstance(ask(reply(200, gzip.compress(GOOD), Content_Encoding="gzip")), Observation)


def test_reads_a_chunked_answer() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (GOOD[:100], GOOD[100:], b""))
    assert isinstance(ask(raw(head + chunks)), Observation)


@pytest.mark.parametrize(
    ("status", "failure_kind"),
    [
        (400, FailureKind.REFUSED),
        (401, FailureKind.UNAUTHORIZED),
        (402, FailureKind.PAYMENT_REQUIRED),
        (403, FailureKind.UNAUTHORIZED),
        (404, FailureKind.NOT_FOUND),
        (408, FailureKind.UNAVAILABLE),
        (422, FailureKind.REFUSED),
        (429, FailureKind.RATE_LIMITED),
        (500, FailureKind.UNAVAILABLE),
        (502, FailureKind.UNAVAILABLE),
        (503, FailureKind.UNAVAILABLE),
        (504, FailureKind.UNAVAILABLE),
        (599, FailureKind.UNAVAILABLE),
        (201, FailureKind.BAD_ANSWER),
        (204, FailureKind.BAD_ANSWER),
        (304, FailureKind.BAD_ANSWER),
        (418, FailureKind.BAD_ANSWER),
    ],
)
def test_each_status_is_one_problem(status: int, failure_kind: FailureKind) -> None:
    got = failure(reply(status, b'{"message": "no"}' if status not in {204, 304} else b""))
    assert got.kind is failure_kind
    assert str(status) in got.detail


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 422])
@pytest.mark.parametrize("body", [b"<!DOCTYPE html><title>Just a moment...</title>", b"Forbidden", b'"no"'])
def test_a_refusal_that_is_not_the_apis_own_blames_the_network(status: int, body: bytes) -> None:
    got = failure(reply(status, body))
    assert got.kind is FailureKind.UNAVAILABLE
    assert str(status) in got.detail
    assert got.message in {"Just a moment...", "Forbidden", '"no"'}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"message": "No such model"}, "No such model"),
        ({"code": "invalid_request", "message": "No such model"}, "invalid_request: No such model"),
        ({"error": {"code": 7, "message": "two\nlines\x00\u202e"}}, "7: two lines"),
        ({"error": "a text"}, "a text"),
        ({"message": "x" * 5000}, "x" * 499 + "…"),
        ({"message": f"bad key {KEY}, see https://x.example/a?sig=s3cret"}, "bad key [key], see https://x.example/a"),
        ({"message": "Bearer abc.def is over"}, "[secret] is over"),
        ({"message": None, "issues": [1]}, None),
    ],
)
def test_what_the_api_says_is_kept_bounded_and_without_secrets(body: dict[str, object], message: str | None) -> None:
    for status in (400, 503):
        assert failure(reply(status, json.dumps(body).encode())).message == message


def test_a_200_that_is_an_error_keeps_what_the_api_says() -> None:
    got = failure(reply(200, b'{"message": "internal error"}'))
    assert got == CheckFailure(FailureKind.BAD_ANSWER, "the answer has no `id`", message="internal error")


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Just a moment...</html>",
        b"",
        b'{"id": ',
        b"\xff\xfe\xfa",
        b"[" * 100_000,
        b"1" * 5000,
        b"null",
        json.dumps({**VIDEO, "id": "cmuh8q75q0101k101fvgj9999"}).encode(),
        json.dumps({key: value for key, value in VIDEO.items() if key != "status"}).encode(),
        GOOD + b" " * MAX_BODY,
    ],
    ids=["html", "empty", "broken", "no text", "deep", "long number", "null", "another id", "no status", "too long"],
)
def test_a_200_without_a_project_is_a_bad_answer(body: bytes) -> None:
    assert failure(reply(200, body)).kind is FailureKind.BAD_ANSWER


def test_an_answer_of_exactly_one_mebibyte_is_read() -> None:
    assert isinstance(ask(reply(200, GOOD.ljust(MAX_BODY))), Observation)


def test_an_answer_that_unpacks_to_a_gibibyte_is_a_bad_answer() -> None:
    bomb = gzip.compress(bytes(64 * MAX_BODY)) * 16
    got = failure(reply(200, bomb, Content_Encoding="gzip"))
    assert got == CheckFailure(FailureKind.BAD_ANSWER, "the answer is larger than 1 MiB")


def test_an_answer_that_does_not_unpack_is_no_answer() -> None:
    assert failure(reply(200, GOOD, Content_Encoding="gzip")).kind is FailureKind.UNAVAILABLE


@pytest.mark.parametrize("interim", [100, 102, 103])
def test_interim_responses_are_skipped(interim: int) -> None:
    hints = b"HTTP/1.1 %d Hints\r\nLink: </style.css>; rel=preload\r\nRetry-After: 9\r\n\r\n" % interim
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(GOOD)
    assert isinstance(ask(raw(hints * 3 + head + GOOD)), Observation)


def test_interim_responses_without_end_are_no_answer() -> None:
    assert failure(raw(b"HTTP/1.1 103 Hints\r\n\r\n" * 1000), 1.0).kind is FailureKind.UNAVAILABLE


def test_a_refusal_in_chunks_is_read_as_the_apis_own() -> None:
    text = b'{"message": "Unauthorized"}'
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(text), text)
    got = failure(raw(b"HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks))
    assert (got.kind, got.message) == (FailureKind.UNAUTHORIZED, "Unauthorized")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_takes_the_key_nowhere(status: int) -> None:
    with serving(reply(200, GOOD)) as elsewhere:
        got = failure(reply(status, Location=f"{elsewhere.url}/v1/video-projects/{ID}"))
    assert got.kind is FailureKind.BAD_ANSWER
    assert elsewhere.paths == []


@pytest.mark.parametrize("target", ["http://[::1", "\xe4\xff", "//", "http://", "x" * 10_000])
def test_a_redirect_to_nonsense_is_a_bad_answer(target: str) -> None:
    assert failure(reply(302, Location=target)).kind is FailureKind.BAD_ANSWER


def test_a_redirect_that_talks_for_ever_is_not_listened_to() -> None:
    got = failure(raw(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 9999999999\r\n\r\nand so on"))
    assert got.kind is FailureKind.BAD_ANSWER


def _drop_by_drop(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(GOOD) * 1000))
    handler.end_headers()
    assert isinstance(handler.server, Server)
    while not handler.server.stopping.wait(0.01):
        handler.wfile.write(b" ")


def _head_drop_by_drop(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    assert isinstance(handler.server, Server)
    while not handler.server.stopping.wait(0.01):
        handler.wfile.write(b"x")


def _nothing(handler: BaseHTTPRequestHandler) -> None:
    assert isinstance(handler.server, Server)
    handler.server.stopping.wait()


def _reset(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True


@pytest.mark.parametrize(
    ("answer", "timeout"),
    [
        (_drop_by_drop, 0.2),
        (_head_drop_by_drop, 0.2),
        (_nothing, 0.2),
        (_reset, server.SHORTLY),
        (raw(b""), server.SHORTLY),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + GOOD), server.SHORTLY),
        (raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n" + GOOD), server.SHORTLY),
        (raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n"), server.SHORTLY),
        (raw(b"SSH-2.0-OpenSSH_9.6\r\n"), server.SHORTLY),
    ],
    ids=[
        "drops",
        "drops of the head",
        "silence",
        "reset",
        "closed",
        "cut off",
        "cut off chunk",
        "broken chunk",
        "another protocol",
    ],
)
def test_a_broken_connection_is_no_answer(answer: server.Answer, timeout: float) -> None:
    began = time.monotonic()
    assert failure(answer, timeout).kind is FailureKind.UNAVAILABLE
    assert time.monotonic() - began < 3


def _only_once(handler: BaseHTTPRequestHandler) -> None:
    assert isinstance(handler.server, Server)
    (reply(200, GOOD) if len(handler.server.paths) == 1 else raw(b""))(handler)


def test_a_request_is_sent_once_also_when_an_open_connection_breaks_without_an_answer() -> None:
    """HTTP libraries like to send it again then; but each request counts against the account's limit."""
    with serving(_only_once) as api, client_of(api.url) as client:
        assert isinstance(client.get_project("video", ID), Observation)
        got = client.get_project("video", ID)
    assert isinstance(got, CheckFailure)
    assert got.kind is FailureKind.UNAVAILABLE
    assert len(api.connections) == 1
    assert len(api.paths) == 2


def test_a_refused_connection_is_no_answer() -> None:
    with serving(reply(200)) as gone:
        url = gone.url
    with client_of(url) as client:
        got = client.get_project("video", ID)
    assert isinstance(got, CheckFailure)
    assert got.kind is FailureKind.UNAVAILABLE
    assert got.detail.startswith("no answer from the API (ConnectionError: ")


@pytest.mark.parametrize("status", [404, 429, 503])
def test_retry_after_in_seconds_is_heeded(status: int) -> None:
    assert failure(reply(status, Retry_After=" 17 ")).retry_after == 17


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("0.493", 1), ("1.5", 2), ("2814, 2", 2814), ("30; x", 30), ("30s", 30), (" +7 ", 7), ("1000000000000", 3600)],
)
def test_retry_after_is_read_where_a_number_can_be_read_and_bounded_at_an_hour(value: str, seconds: float) -> None:
    assert failure(reply(429, Retry_After=value)).retry_after == seconds


def test_retry_after_as_a_date_is_heeded() -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)
    assert failure(reply(429, Retry_After=at)).retry_after == 3600


def test_retry_after_in_the_past_is_no_wait() -> None:
    assert failure(reply(429, Retry_After="Thu, 01 Jan 1970 00:00:00 GMT")).retry_after == 0


@pytest.mark.parametrize(
    "value", ["", "soon", "-5", "rand(30)", "nan", "²", "1e", "Fri, 31 Dec 9999 23:59:59 -99999999999999"]
)
def test_retry_after_in_no_known_form_is_left_out(value: str) -> None:
    assert failure(reply(429, Retry_After=value.encode().decode("latin-1"))).retry_after is None


@given(st.text() | st.from_regex(r"\w{3}, \d{1,2} \w{3} \d{1,5} [\d:]{1,9} [+-]?\w{1,20}"))
def test_every_retry_after_is_a_bounded_wait_or_none(value: str) -> None:
    assert 0 <= (seconds_of(value, datetime.now(UTC)) or 0) <= 3600


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bad", ["", "short", "../account", "cuid-example?y=1", "a/b/c/d/e/f", "id\r\nX: y", "x" * 65])
def test_a_bad_id_never_reaches_the_api(kind: Kind, bad: str) -> None:
    with serving(reply(200, GOOD)) as api, client_of(api.url) as client:
        got = client.get_project(kind, bad)
    assert isinstance(got, CheckFailure)
    assert got.kind is FailureKind.REFUSED
    assert api.paths == []


def test_a_netrc_file_does_not_replace_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(reply(200, GOOD)) as api, client_of(api.url) as client:
        client.get_project("video", ID)
    assert api.authorizations == [f"Bearer {KEY}"]


def test_the_key_is_in_no_repr_and_no_log(caplog: pytest.LogCaptureFixture, transport: Transport) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(reply(401)) as api, client_of(api.url) as client:
        got = client.get_project("video", ID)
        shown = f"{client!r} {client} {client._sender!r} {got!r}"
    with client_of(api.url) as client:
        shown += repr(client.get_project("video", ID))  # by now nobody listens there
    if transport == "requests":  # libcurl writes no log
        assert "127.0.0.1" in caplog.text
    assert KEY not in caplog.text + shown


def test_what_a_sender_is_made_of_does_not_show_the_key() -> None:
    proxies = {"https": "http://somebody:password@proxy.example"}
    config = ApiConfig("https://api.example", {"Authorization": f"Bearer {KEY}"}, 1.0, 1, verify=True, proxies=proxies)
    assert KEY not in repr(config)
    assert "password" not in repr(config)


@pytest.mark.parametrize("key", ["", f"{KEY}\n", f"{KEY}\r\nX: y", f"two {KEY}", f"{KEY}\u20ac", f"{KEY}\x7f"])
def test_a_key_that_no_header_carries_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ValueError, match="API key") as raised:
        MagicHourClient("http://127.0.0.1", key, timeout=1, connections=1)
    assert KEY not in repr(raised.value)


def test_the_account_without_a_problem_has_none() -> None:
    with serving(reply(200, b'{"id": "x"}')) as api, client_of(api.url) as client:
        assert client.account_problem() is None
    assert api.paths == ["/v1/account"]


def test_the_account_with_a_revoked_key_has_a_problem() -> None:
    with serving(reply(401)) as api, client_of(api.url) as client:
        got = client.account_problem()
    assert got is not None
    assert got.kind is FailureKind.UNAUTHORIZED


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b'{"credits": 9600}', 9600),
        (200, b'{"credits": "many"}', FailureKind.BAD_ANSWER),
        (200, b'{"tier": "pro"}', FailureKind.BAD_ANSWER),
        (200, b"[]", FailureKind.BAD_ANSWER),
        (200, b"<html>", FailureKind.BAD_ANSWER),
        (401, b"", FailureKind.UNAUTHORIZED),
    ],
)
def test_an_accounts_balance(status: int, body: bytes, expected: object) -> None:
    with serving(reply(status, body)) as api, client_of(api.url) as client:
        got = client.get_balance()
    assert (got.kind if isinstance(got, CheckFailure) else got) == expected
