import ipaddress
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.certificates import Authority, authority
from tests.support.endpoint import Endpoint, endpoint, server_tls
from worker.delivery.http_client import HttpClient

HOST = "hooks.example.com"
LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@pytest.fixture(scope="session")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority of the tests, with a certificate for HOST."""
    return authority(tmp_path_factory.mktemp("tls") / "authority", HOST)


@pytest.fixture(autouse=True)
def environment(certified: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust the authority, and no proxy."""
    for name in _PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certified.file))


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Names and their addresses, or what is called to look one up. Others are looked up as ever."""
    known: dict[str, Any] = {HOST: ["127.0.0.1"]}
    really = socket.getaddrinfo

    def look_up(host: str, port: int, **options: Any) -> Any:  # noqa: ANN401
        if host not in known:
            return really(host, port, **options)
        found = known[host]() if callable(known[host]) else known[host]
        return [(socket.AF_INET6 if ":" in each else socket.AF_INET, 1, 6, "", (each, port)) for each in found]

    monkeypatch.setattr("worker.delivery.lookups.socket.getaddrinfo", look_up)
    return known


@pytest.fixture
def secure(certified: Authority) -> Iterator[Endpoint]:
    """An HTTPS endpoint with a good certificate."""
    with endpoint(server_tls(certified.certificate, certified.key)) as made:
        yield made


@pytest.fixture
def plain() -> Iterator[Endpoint]:
    """An HTTP endpoint."""
    with endpoint() as made:
        yield made


@pytest.fixture
def make_client() -> Iterator[Callable[..., HttpClient]]:
    """Make a client that may reach loopback addresses, and accepts further options."""
    made: list[HttpClient] = []

    def make(**options: Any) -> HttpClient:  # noqa: ANN401
        chosen: dict[str, Any] = {"allowed": LOOPBACK, "timeout": 30.0, "connections": 8} | options
        made.append(HttpClient(**chosen))
        return made[-1]

    yield make
    for client in made:
        client.close()
