"""Through proxies that work, with and without credentials, by both transports."""

import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.magic_hour.server import serving
from tests.magic_hour.test_tls_and_proxies import GOOD, ask, certificate, serving_tls, transport
from tests.support.processes import environment
from tests.support.proxies import Kind, proxy
from tests.support.services import Broker
from worker.domain.projects.observation import CheckFailure, Observation
from worker.magic_hour.sender import Transport

__all__ = ["certificate", "transport"]  # fixtures

USER, PASSWORD = "rw", "p@s:s/w?rd"
AT = f"{USER}:{quote(PASSWORD, safe='')}@"
PROXIES = [
    ("socks", "socks5", ""),
    ("socks", "socks5h", AT),
    ("http", "http", ""),
    ("http", "http", AT),
]


@pytest.mark.parametrize(("kind", "scheme", "at"), PROXIES)
def test_a_proxy_is_used(
    kind: Kind, scheme: str, at: str, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy(kind, *((USER, PASSWORD) if at else ())) as running, serving(GOOD) as api:
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://{at}127.0.0.1:{running.port}")
        assert isinstance(ask(f"http://localhost:{api.server_port}", transport), Observation)
        assert len(running.targets) == 1


@pytest.mark.parametrize(("kind", "scheme", "at"), PROXIES)
def test_tls_goes_through_a_proxy_as_a_whole(
    kind: Kind, scheme: str, at: str, certificate: Path, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with proxy(kind, *((USER, PASSWORD) if at else ())) as running, serving_tls(certificate) as api:
        monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://{at}127.0.0.1:{running.port}")
        assert isinstance(ask(f"https://127.0.0.1:{api.server_port}", transport), Observation)
        assert len(running.targets) == 1
        assert running.targets[0].startswith("CONNECT ") == (kind == "http")


@pytest.mark.parametrize(("kind", "scheme"), [("socks", "socks5"), ("http", "http")])
@pytest.mark.parametrize("api", ["http://127.0.0.1:1", "https://127.0.0.1:1"])
def test_a_proxy_that_refuses_our_credentials_is_named(
    kind: Kind, scheme: str, api: str, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy(kind, USER, PASSWORD) as running:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy"):
            monkeypatch.setenv(name, f"{scheme}://{USER}:s3cret@127.0.0.1:{running.port}")
        got = ask(api, transport)
        assert running.refused == 1
    assert isinstance(got, CheckFailure)
    assert "s3cret" not in got.sentence
    assert {"socks": "SOCKS5", "http": "407"}[kind] in got.detail


def test_a_socks_proxy_without_pysocks_is_refused_with_what_to_install(tmp_path: Path) -> None:
    program = "import sys; sys.modules['socks'] = None; from worker.cli.main import main; main()"
    variables = environment(
        f"sqlite:///{tmp_path}/rw.db", Broker("memory://"), "http://api.example", transport="requests"
    )
    said = subprocess.run(
        [sys.executable, "-c", program, "doctor", "--only", "api"],
        env=variables | {"ALL_PROXY": "socks5://127.0.0.1:1", "PATH": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 1
    assert "PySocks is not installed: pip install PySocks" in said.stdout.replace("\n", " ")
    assert "Traceback" not in said.stderr
