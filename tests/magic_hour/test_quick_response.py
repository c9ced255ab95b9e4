"""Answers that are read quickly come to what the standard library makes of them."""

import http.client
import socket
from http.client import HTTPException, HTTPResponse

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.magic_hour.server import SHORTLY, reply, serving
from worker.magic_hour.client import MagicHourClient
from worker.magic_hour.quick_response import QuickResponse

USUAL = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nVary: a, b\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n2\r\n{}\r\n0\r\n\r\n"

# Often enough as usual, and otherwise with something wrong or rare in each place.
statuses = st.sampled_from(
    [b"HTTP/1.1 200 OK"] * 4
    + [b"HTTP/1.1 404 Not Found", b"HTTP/1.1 503 ", b"HTTP/1.1 204 No Content", b"HTTP/1.1 304 Not Modified"]
    + [
        b"HTTP/1.0 200 OK",
        b"HTTP/1.1 200",
        b"HTTP/2 200 OK",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 429 \xfcber",
        b"hello",
        b"",
    ]
    + [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK", b"HTTP/1.1  200  OK ", b"HTTP/1.1 500 a  b", b"HTTP/9.9 200 OK"]
)
framings = st.sampled_from(
    [b"Content-Length: 2", b"content-length: 2", b"Transfer-Encoding: chunked"] * 3
    + [
        b"Content-Length: 0",
        b"Content-Length: -2",
        b"Content-Length: +2",
        b"Content-Length: 2, 2",
        b"Content-Length: x",
    ]
    + [b"Content-Length: " + b"9" * 40, b"Content-Length: 3", b"Content-Length:2", b"Content-Length : 2"]
    + [b"Transfer-Encoding: Chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: identity"]
    + [b"Connection: close", b"Connection: keep-alive", b"Connection: Keep-Alive", b"Keep-Alive: timeout=5"]
)
names = st.sampled_from([b"Vary", b"Set-Cookie", b"X-Request-Id", b"Subject", b"From ", b"From you", b" folded", b""])
values = st.one_of(
    st.sampled_from(
        [b"a, b", b"a=1; path=/", b'"q"', b"a  b", b" a", b"a ", b"a\tb", b"\xfc", b"=?utf-8?q?a?=", b"a: b"]
    ),
    st.binary(max_size=6),
)
others = st.tuples(names, st.sampled_from([b": "] * 5 + [b":", b" "]), values).map(b"".join)
ends = st.sampled_from([b"\r\n"] * 9 + [b"\n"])


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    lines = [
        draw(statuses),
        *draw(st.permutations(draw(st.lists(framings, max_size=2)) + draw(st.lists(others, max_size=3)))),
    ]
    body = draw(st.sampled_from([b"{}", b"2\r\n{}\r\n0\r\n\r\n", b"", b"{", b"2\r\n{", b"{} and more"]))
    return b"".join(line + draw(ends) for line in [*lines, b""]) + body


def read(kind: type[HTTPResponse], sent: bytes) -> object:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(sent)
        theirs.shutdown(socket.SHUT_WR)
        with kind(ours, method="GET") as response:
            try:
                response.begin()
                said = [
                    getattr(response, name) for name in ("status", "code", "reason", "version", "length", "chunked")
                ]
                return said, response.will_close, response.msg.items(), response.headers.items(), response.read()
            except (HTTPException, ValueError, OverflowError) as error:
                return repr(error)


@given(answers())
@example(USUAL)
@example(CHUNKED)
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ")
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n folded\r\n\r\n{}")
@example(b"HTTP/1.1 200 OK\r\n\r\n{}")
def test_an_answer_is_what_the_standard_library_makes_of_it(sent: bytes) -> None:
    assert read(QuickResponse, sent) == read(HTTPResponse, sent)


@pytest.mark.parametrize("sent", [USUAL, CHUNKED])
def test_a_usual_answer_needs_no_parser_for_mail(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = read(HTTPResponse, sent)
    monkeypatch.delattr(http.client, "parse_headers")
    assert read(QuickResponse, sent) == expected


def test_an_answer_that_comes_in_pieces_is_read_whole() -> None:
    for cut in range(1, len(USUAL)):
        ours, theirs = socket.socketpair()
        with ours, theirs, QuickResponse(ours, method="GET") as response:
            theirs.sendall(USUAL[:cut])
            response.fp.peek()
            theirs.sendall(USUAL[cut:])
            response.begin()
            assert (response.status, response.length, response.read()) == (200, 2, b"{}")


def test_the_answers_to_our_requests_are_read_so(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[bool] = []
    take = QuickResponse._take

    def noted(response: QuickResponse, status: int, reason: str, lines: str) -> bool:
        taken.append(take(response, status, reason, lines))
        return taken[-1]

    monkeypatch.setattr(QuickResponse, "_take", noted)
    with (
        serving(reply(200, b'{"credits": 7}')) as api,
        MagicHourClient(api.url, "any-key", timeout=SHORTLY, connections=1, transport="requests") as client,
    ):
        assert client.get_balance() == 7
    assert taken == [True]
