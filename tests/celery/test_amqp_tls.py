"""TLS to RabbitMQ: certificates are verified, and what the URL says about them counts."""

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.celery.test_commands import renderwatch
from tests.support.certificates import make_certificate
from tests.support.processes import Programs, environment
from tests.support.services import Broker, unavailable
from worker.amqp_tls import split_tls

VERIFIED = {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None}


@pytest.mark.parametrize(
    ("url", "bare", "options"),
    [
        ("amqps://u:p@h/v", "amqps://u:p@h/v", VERIFIED),
        ("amqps://h/v?ssl_cert_reqs=none", "amqps://h/v", {"cert_reqs": ssl.CERT_NONE}),
        ("amqps://h/v?ssl_ca_certs=/ca&heartbeat=5", "amqps://h/v?heartbeat=5", {**VERIFIED, "ca_certs": "/ca"}),
        ("amqps://a/?ssl_ca_certs=/ca;amqps://b/", "amqps://a/;amqps://b/", {**VERIFIED, "ca_certs": "/ca"}),
    ],
)  # fmt: skip
def test_parameters_of_the_url_become_options(url: str, bare: str, options: dict[str, object]) -> None:
    assert split_tls(url) == (bare, options)


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A port where TLS is spoken, and nothing more; and the certificate that it shows."""
    certificate = make_certificate(tmp_path)
    if certificate is None:
        unavailable("no openssl on the PATH")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as plain:
        thread = threading.Thread(target=_shake_hands, args=(plain, context), daemon=True)
        thread.start()
        yield plain.getsockname()[1], tmp_path / "certificate.pem"
        plain.shutdown(socket.SHUT_RDWR)  # wakes the thread
    thread.join(10)


def _shake_hands(plain: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            connection, _ = plain.accept()
        except OSError:
            return
        connection.settimeout(10)
        try:
            context.wrap_socket(connection, server_side=True).close()
        except OSError:  # the client refuses the certificate
            connection.close()


def test_a_certificate_that_nobody_vouches_for_is_refused_unless_told_otherwise(
    listener: tuple[int, Path], programs: Programs, sqlite_url: str
) -> None:
    port, certificate = listener
    refused = {"": True, "?ssl_cert_reqs=none": False, f"?ssl_ca_certs={certificate}": False}
    for query, is_refused in refused.items():
        broker = Broker(f"amqps://guest:guest@127.0.0.1:{port}//{query}")
        variables = environment(sqlite_url, broker, "http://127.0.0.1:9")
        doctor = renderwatch(programs, variables, "doctor", "--only", "broker")
        doctor.ends(60)
        assert ("certificate verify failed" in doctor.log) == is_refused
        assert "FAIL  broker" in doctor.log  # nobody speaks AMQP there
        assert "Traceback" not in doctor.log
