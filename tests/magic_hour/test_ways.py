"""How the API is reached, by both transports: certificates and proxies, as the environment wants them."""

import json
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.magic_hour.bodies import VIDEO
from tests.magic_hour.server import SHORTLY, Server, reply, serving
from tests.support.certificates import make_certificate
from tests.support.services import unavailable
from worker.domain.observation import Answer, Observation, Problem, Trouble
from worker.magic_hour.client import MagicHourClient
from worker.magic_hour.transport import Transport

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
    assert got == Trouble(Problem.UNAVAILABLE, "no answer from the API (SSLError)")
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
    assert got == Trouble(Problem.UNAVAILABLE, "no answer from the API (SSLError)")
    assert api.paths == []


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
