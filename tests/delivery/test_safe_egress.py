"""A webhook is connected to where it may go alone: the address that is connected to is the one that was checked."""

import contextlib
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.delivery.conftest import HOST, LOOPBACK
from tests.delivery.sending import send_webhook
from tests.support.certificates import Authority, authority, expired, make_certificate
from tests.support.endpoint import Endpoint, endpoint, server_tls
from tests.support.services import unavailable
from worker.delivery.connection import RefusedAddressError
from worker.delivery.http_client import HttpClient
from worker.domain.deliveries.failure import DeliveryError
from worker.domain.deliveries.webhook_url import WebhookUrlError, parse_webhook_url

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105  of these tests
PAYLOAD = {"id": "0190", "type": "project.completed"}

Make = Callable[..., HttpClient]


def send(client: HttpClient, url: str) -> int:
    return send_webhook(client, parse_webhook_url(url), [SECRET], "message-1", PAYLOAD)


def refused(client: HttpClient, url: str) -> str:
    with pytest.raises(DeliveryError) as raised:
        send(client, url)
    return str(raised.value)


# --- addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[::127.0.0.1]", "localhost", HOST],
)
def test_a_listener_on_loopback_is_not_connected_to(make_client: Make, plain: Endpoint, host: str) -> None:
    reason = refused(make_client(allowed=[]), f"http://{host}:{plain.port}/")
    assert "RENDERWATCH_WEBHOOK_ALLOW_NETWORKS can allow it" in reason
    assert f"{host} is {host}" not in reason
    assert plain.connections == 0


def test_a_listener_on_ipv6_loopback_is_not_connected_to(make_client: Make) -> None:
    try:
        listener = Endpoint(host="::1")
    except OSError:
        pytest.skip("there is no IPv6 here")
    try:
        url = f"http://[::1]:{listener.port}/"
        assert "a loopback address" in refused(make_client(allowed=LOOPBACK), url)
        assert listener.connections == 0
        assert send(make_client(allowed=[ipaddress.ip_network("::1/128")]), url) == 204
    finally:
        listener.stop()


@pytest.mark.parametrize("host", ["127.1", "0x7f000001", "0x7f.0.0.1", "2130706433", "0177.0.0.1", "017700000001"])
def test_other_forms_of_an_address_are_refused_in_the_url_and_as_an_address(
    make_client: Make, plain: Endpoint, host: str
) -> None:
    with pytest.raises(WebhookUrlError):
        parse_webhook_url(f"http://{host}:{plain.port}/")
    # Even if such a host came this far: the system's resolver knows what it means, and that is checked.
    with pytest.raises(RefusedAddressError, match="a loopback address"):
        make_client(allowed=[]).post(("http", host, plain.port), "/", {}, b"")
    assert plain.connections == 0


def test_a_name_that_changes_its_address_gains_nothing(
    make_client: Make, plain: Endpoint, names: dict[str, object]
) -> None:
    """DNS rebinding: an allowed address when it is checked, and loopback for whatever looks the name up again."""
    asked: list[str] = []

    def rebind() -> list[str]:
        asked.append("localhost")  # the system's resolver, which a second lookup would ask, says 127.0.0.1
        return ["192.0.2.1"] if len(asked) == 1 else ["127.0.0.1"]

    names["localhost"] = rebind
    client = make_client(allowed=[ipaddress.ip_network("192.0.2.0/24")], timeout=0.5)

    assert "RENDERWATCH_WEBHOOK_ALLOW_NETWORKS" not in refused(client, f"http://localhost:{plain.port}/")
    assert asked == ["localhost"]
    assert "a loopback address" in refused(client, f"http://localhost:{plain.port}/")
    assert plain.connections == 0


def test_of_several_addresses_only_those_that_may_be_reached_are_tried(
    make_client: Make, plain: Endpoint, names: dict[str, object]
) -> None:
    names[HOST] = ["10.255.255.1", "::1", "127.0.0.1"]
    assert send(make_client(), f"http://{HOST}:{plain.port}/") == 204


def test_an_address_that_refuses_is_followed_by_the_next(
    make_client: Make, plain: Endpoint, names: dict[str, object]
) -> None:
    names[HOST] = ["127.0.0.2", "127.0.0.1"]
    with socket.socket() as unused:
        unused.bind(("127.0.0.2", plain.port))  # bound and not listening: it refuses
        assert send(make_client(), f"http://{HOST}:{plain.port}/") == 204


def test_proxies_of_the_environment_are_not_used(
    make_client: Make, secure: Endpoint, plain: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{plain.port}")
    assert send(make_client(), f"https://{HOST}:{secure.port}/") == 204
    assert plain.connections == 0


def test_a_redirect_to_loopback_is_not_followed(make_client: Make, plain: Endpoint, secure: Endpoint) -> None:
    moved = f"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:{plain.port}/\r\nContent-Length: 0\r\n\r\n".encode()
    secure.behaviour = lambda _, connection: connection.sendall(moved)
    assert refused(make_client(), f"https://{HOST}:{secure.port}/").startswith("307 Temporary Redirect")
    assert plain.connections == 0


# --- certificates ---------------------------------------------------------------------------------------------------


@pytest.fixture
def serve() -> Iterator[Callable[[Authority], Endpoint]]:
    """Start an endpoint with another certificate."""
    made: list[Endpoint] = []

    def start(shown: Authority) -> Endpoint:
        made.append(Endpoint(server_tls(shown.certificate, shown.key)))
        return made[-1]

    yield start
    for each in made:
        each.stop()


Serve = Callable[[Authority], Endpoint]


def test_an_expired_certificate_is_refused(make_client: Make, certified: Authority, serve: Serve) -> None:
    secure = serve(expired(certified, HOST))
    assert "certificate is not valid: certificate has expired" in refused(
        make_client(), f"https://{HOST}:{secure.port}/"
    )
    assert secure.received == []


def test_a_certificate_of_another_name_is_refused(
    make_client: Make, secure: Endpoint, names: dict[str, object]
) -> None:
    names["other.example.com"] = ["127.0.0.1"]
    assert "Hostname mismatch" in refused(make_client(), f"https://other.example.com:{secure.port}/")
    assert secure.received == []


def test_a_certificate_of_an_authority_that_nobody_trusts_is_refused(
    make_client: Make, serve: Serve, tmp_path_factory: pytest.TempPathFactory
) -> None:
    secure = serve(authority(tmp_path_factory.mktemp("other") / "authority", HOST))
    assert "certificate is not valid" in refused(make_client(), f"https://{HOST}:{secure.port}/")
    assert secure.received == []


def test_a_self_signed_certificate_is_refused_unless_the_environment_trusts_it(
    make_client: Make, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = make_certificate(tmp_path_factory.mktemp("self"))
    if both is None:
        unavailable("no openssl on the PATH")
    with endpoint(server_tls(both, both)) as secure:
        url = f"https://127.0.0.1:{secure.port}/"
        assert "self-signed certificate" in refused(make_client(), url)
        assert secure.received == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(both))
        assert send(make_client(), url) == 204


def test_certificates_that_are_not_there_are_named(
    make_client: Make, secure: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    reason = refused(make_client(), f"https://{HOST}:{secure.port}/")
    assert "/nowhere/ca.pem cannot be read" in reason
    assert "REQUESTS_CA_BUNDLE" in reason


def test_a_server_that_speaks_no_tls_is_refused(make_client: Make) -> None:
    def answer_in_the_clear() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):  # the client may end it first
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            while connection.recv(4096):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer_in_the_clear, daemon=True)
        thread.start()
        assert "TLS failed" in refused(make_client(), f"https://{HOST}:{listener.getsockname()[1]}/")
        thread.join(30)
