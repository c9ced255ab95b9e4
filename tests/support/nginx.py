"""An nginx of the test's own, with TLS, in front of web processes."""

import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.certificates import Authority
from tests.support.private_server import Server, program
from tests.support.processes import ROOT, free_port, wait_for

_AROUND: Final = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {inner}
}}
"""
# What somebody writes who has read no page of ours.
DEFAULT: Final = """
upstream renderwatch { server 127.0.0.1:8321; }
server {
    listen 443 ssl;
    ssl_certificate     /etc/nginx/tls/renderwatch.pem;
    ssl_certificate_key /etc/nginx/tls/renderwatch.key;
    location / { proxy_pass http://renderwatch; }
}
"""


def documented(name: str) -> str:
    """Return a configuration that our documentation gives."""
    return (ROOT / "deploy/nginx" / name).read_text(encoding="utf-8")


@contextmanager
def nginx(
    folder: Path, configuration: str, ca: Authority, upstream: Sequence[int], *, speaks_from: str = "127.0.0.1"
) -> Iterator[str]:
    """Run nginx with a configuration whose ports, certificates and web processes are replaced. Gives its address."""
    folder.mkdir()
    folder.chmod(0o755)
    port = free_port()
    servers = " ".join(f"server 127.0.0.1:{each};" for each in upstream)
    inner = re.sub(r"(?m)^\s*server 127\.0\.0\.1:8321;|(?<=\{ )server 127\.0\.0\.1:8321;", servers, configuration)
    inner = re.sub(r"ssl_certificate_key\s+\S+;", f"ssl_certificate_key {ca.key};", inner)
    inner = re.sub(r"ssl_certificate\s+\S+;", f"ssl_certificate {ca.certificate};", inner)
    inner = inner.replace("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl; proxy_bind {speaks_from};")
    inner = re.sub(r"server_name\s+\S+;", "server_name localhost;", inner)
    file = folder / "nginx.conf"
    file.write_text(_AROUND.format(folder=folder, inner=inner), encoding="utf-8")
    server = Server([program("nginx"), "-c", str(file), "-p", str(folder)], folder / "nginx.out")
    try:
        wait_for(lambda: _listens(port), 15, "nginx listens", server.output.read_text)
        yield f"https://localhost:{port}"
    finally:
        server.stop()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
