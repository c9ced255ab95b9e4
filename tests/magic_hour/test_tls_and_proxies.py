"""How the API is reached, by both transports: certificates and proxies, as the environment wants them."""

import importlib.util
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.magic_hour.bodies import VIDEO
from tests.magic_hour.server import SHORTLY, Server, reply, serving
from tests.support.certificates import make_certificate
from tests.support.services import unavailable
from worker.domain.projects.observation import Answer, CheckFailure, FailureKind, Observation
from worker.magic_hour.client import MagicHourClient
from worker.magic_hour.sender import Transport

KEY = "mhk_live_do-not-show-me"
ID = VIDEO["id"]
GOOD = reply(200, json.dumps(VIDEO).encode())


@pytest.fixture(params=["requests", "curl"])
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Transport:
    if request.param == "curl":
        pytest.importorskip("pycurl")
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return request.param  # type: ignore[no-any-return]  # pytest's params have no type


def ask(url: str, transport: Transport) -> Answer:
    with MagicHourClient(url, KEY, timeout=SHORTLY, connections=1, transport=transport) as client:
        return client.get_project("video", ID)


def assert_not_trusted(got: Answer, trusted: str) -> None:
    assert isinstance(got, CheckFailure)
    assert got.kind is FailureKind.UNAVAILABLE
    assert got.detail.startswith("no answer from the API (SSLError: ")
    assert trusted in got.detail


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody has signed, and its key."""
    made = make_certificate(tmp_path_factory.mktemp("tls"))
    if made is None:
        unavailable("no openssl on the PATH, which makes a certificate for the tests")
    return made


@contextmanager
def serving_tls(certificate: Path) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(GOOD) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        yield server


def test_a_certificate_that_nobody_vouches_for_is_no_answer(certificate: Path, transport: Transport) -> None:
    with serving_tls(certificate) as api:
        got = ask(f"https://127.0.0.1:{api.server_port}", transport)
    assert_not_trusted(got, "certifi")
    assert api.paths == []


def test_a_certificate_that_the_environment_trusts_is_good(
    certificate: Path, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with serving_tls(certificate) as api:
        assert isinstance(ask(f"https://127.0.0.1:{api.server_port}", transport), Observation)


def test_a_folder_of_certificates_is_as_good(
    certificate: Path, tmp_path: Path, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trusted.pem").write_text(certificate.read_text())
    subprocess.run(["openssl", "rehash", str(tmp_path)], check=True)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
    with serving_tls(certificate) as api:
        assert isinstance(ask(f"https://127.0.0.1:{api.server_port}", transport), Observation)


def test_a_certificate_for_another_host_is_no_answer(
    certificate: Path, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with serving_tls(certificate) as api:
        got = ask(f"https://localhost:{api.server_port}", transport)
    assert_not_trusted(got, str(certificate))
    assert api.paths == []


def test_trusted_certificates_that_are_not_there_are_named_and_looked_for_again(
    certificate: Path, tmp_path: Path, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "bundle.pem"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with serving_tls(certificate) as api:
        url = f"https://127.0.0.1:{api.server_port}"
        with MagicHourClient(url, KEY, timeout=SHORTLY, connections=1, transport=transport) as client:
            got = client.get_project("video", ID)
            assert isinstance(got, CheckFailure)
            assert got.kind is FailureKind.UNAVAILABLE
            assert got.detail == (
                f"no request can be sent: the trusted certificates in {bundle} cannot be read;"
                " REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names them"
            )
            bundle.write_text(certificate.read_text())
            assert isinstance(client.get_project("video", ID), Observation)


def test_a_socks_proxy_works_or_is_one_sentence(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens at the proxy, so that what works ends there."""
    with serving(GOOD) as gone:
        port = gone.server_port
    monkeypatch.setenv("ALL_PROXY", f"socks5://somebody:s3cret@127.0.0.1:{port}")
    got = ask("http://api.example", transport)
    assert isinstance(got, CheckFailure)
    assert got.kind is FailureKind.UNAVAILABLE
    assert "s3cret" not in got.detail
    if transport == "requests" and importlib.util.find_spec("socks") is None:
        assert "pip install PySocks" in got.detail
    else:
        assert got.detail.startswith("no answer from the API (")


@pytest.mark.parametrize("proxy", ["ftp://127.0.0.1:1", "http://", "://", "socks9://127.0.0.1:1"])
def test_a_proxy_that_cannot_be_used_is_one_sentence(
    proxy: str, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    got = ask("http://127.0.0.1:1", transport)
    assert isinstance(got, CheckFailure)
    assert got.kind is FailureKind.UNAVAILABLE


@contextmanager
def black_hole() -> Iterator[int]:
    """A port that answers no connection: its queue is full."""
    with socket.socket() as listener, ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            client = waiting.enter_context(socket.socket())
            client.settimeout(0)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_the_time_out_holds_over_all_addresses_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with black_hole() as port:
        address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [address] * 5)
        with MagicHourClient("http://api.example", KEY, timeout=0.5, connections=1, transport="requests") as client:
            began = time.monotonic()
            got = client.get_project("video", ID)
            took = time.monotonic() - began
    assert isinstance(got, CheckFailure)
    assert "Timeout" in got.detail
    assert took < 2


def test_the_time_out_holds_over_the_lookup_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    answered, lookups = threading.Event(), []

    def look_up(*_: object, **__: object) -> list[object]:
        lookups.append(1)
        answered.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with MagicHourClient("http://slow.example", KEY, timeout=0.3, connections=1, transport="requests") as client:
        found = [client.get_project("video", ID) for _ in range(3)]
    answered.set()
    assert {each.kind for each in found if isinstance(each, CheckFailure)} == {FailureKind.UNAVAILABLE}
    assert len(found) == 3
    assert lookups == [1], "one thread waits for a name, and not one for each request"


def test_an_address_that_answers_is_reached_after_one_that_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with black_hole() as port, serving(GOOD) as api:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", each)) for each in (port, api.server_port)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        with MagicHourClient("http://api.example", KEY, timeout=2, connections=1, transport="requests") as client:
            assert isinstance(client.get_project("video", ID), Observation)


def test_the_environments_proxy_is_asked(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(GOOD) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert isinstance(ask("http://api.example/mock", transport), Observation)
    assert proxy.paths == [f"http://api.example/mock/v1/video-projects/{ID}"]
    assert proxy.authorizations == [f"Bearer {KEY}"]


def test_a_host_that_the_environment_spares_the_proxy_is_asked_itself(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(GOOD) as api, serving(GOOD) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert isinstance(ask(api.url, transport), Observation)
    assert (len(api.paths), proxy.paths) == (1, [])
