"""Behind reverse proxies: whose headers count, what a wrong set-up says, and a path of our own."""

import logging
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
import pytest

from tests.store.world import seen, track
from tests.support.certificates import make_certificate
from tests.support.processes import ROOT, wait_for
from tests.support.services import unavailable
from tests.web.conftest import Served, answer_all, served, token_for
from worker.settings import Settings
from worker.store.engine import Database
from worker.web.gate.proxies import Proxied, without_root_path

LINK: Final = re.compile(r'\s(?:href|src|action)="([^"]*)"')
PAGES: Final = (
    "/",
    "/projects",
    "/credits",
    "/deliveries",
    "/failures",
    "/accounts",
    "/check-times",
    "/audit",
    "/settings",
)
HTTPS: Final = {"x-forwarded-proto": "https", "x-forwarded-host": "render.example.com"}


def log_in(url: str, token: str, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.post(f"{url}/login", data={"token": token}, headers=named, trust_env=False)


def test_nobody_is_trusted_unless_he_is_named(database: Database) -> None:
    token = token_for(database, "read")
    with served(database) as web:
        answer = log_in(web.url, token, **HTTPS)
    assert answer.status_code == 303
    assert answer.headers["set-cookie"].startswith("renderwatch=")
    assert "strict-transport-security" not in answer.headers


def test_a_trusted_proxy_with_tls_gives_a_secure_cookie_and_hsts(database: Database) -> None:
    token = token_for(database, "read")
    with served(database, web_trusted_proxies="10.0.0.9, 127.0.0.0/8") as web:
        answer = log_in(web.url, token, origin="https://render.example.com", **HTTPS)
    assert answer.status_code == 303
    assert answer.headers["set-cookie"].startswith("__Host-renderwatch=")
    assert "Secure" in answer.headers["set-cookie"]
    assert answer.headers["strict-transport-security"].startswith("max-age=")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.5", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.5", ["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.5", ["6.6.6.6", "203.0.113.9, 10.0.0.6"], "203.0.113.9"),
        ("10.0.0.5", ["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.5", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("::ffff:10.0.0.5", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.5", ["203.0.113.9, unknown"], "10.0.0.5"),
        ("127.0.0.1", ["203.0.113.9"], "127.0.0.1"),
        ("11.0.0.5", ["203.0.113.9"], "11.0.0.5"),
    ],
)
def test_the_client_is_the_nearest_address_that_is_no_proxy_of_ours(
    peer: str, forwarded: list[str], client: str
) -> None:
    headers = [(b"x-forwarded-for", each.encode()) for each in forwarded]
    scope = {"client": (peer, 1), "headers": headers, "scheme": "http"}
    Proxied(None, ["10.0.0.0/8"], "")._apply_forwarded(scope)  # type: ignore[arg-type]  # nothing is answered
    assert scope["client"][0] == client


def test_a_proxy_that_hides_the_host_is_explained(database: Database) -> None:
    token = token_for(database, "read")
    with served(database) as web:
        answer = log_in(web.url, token, origin="http://render.example.com", host="upstream")
        assert answer.status_code == 403
        for words in ("http://render.example.com", "the host upstream", "proxy_set_header Host", "TRUSTED_PROXIES"):
            assert words in answer.text
        # Over HTTPS, browsers say themselves that the form is from the same site.
        assert log_in(
            web.url, token, origin="https://x.example", host="upstream", sec_fetch_site="same-origin"
        ).is_redirect
        assert log_in(web.url, token, sec_fetch_site="cross-site").status_code == 403
        assert log_in(web.url, token, origin="https://X.example:443", host="x.example").is_redirect


def test_ignored_headers_are_logged_once(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = logging.getLogger("renderwatch.web")
    # Listen to this logger alone, whatever other tests of this process did to those above it.
    monkeypatch.setattr(log, "disabled", False)
    monkeypatch.setattr(log, "propagate", False)
    monkeypatch.setattr(log, "handlers", [caplog.handler])
    with caplog.at_level(logging.WARNING, logger=log.name), served(database) as web:
        for _ in range(3):
            httpx.get(web.url, headers=HTTPS, trust_env=False)
    assert [record.message for record in caplog.records if "RENDERWATCH_WEB_TRUSTED_PROXIES" in record.message] == [
        "forwarded headers from 127.0.0.1 are ignored; if it is a proxy of yours, set RENDERWATCH_WEB_TRUSTED_PROXIES"
    ]


@pytest.mark.parametrize("value", ["proxy.example.com", "*", "10.0.0.0/99"])
def test_what_is_no_address_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="not an address or network"):
        Settings(web_trusted_proxies=value)  # type: ignore[arg-type]  # as the environment has it


@pytest.mark.parametrize(
    ("path", "inner"),
    [("/rw", "/"), ("/rw/", "/"), ("/rw/projects", "/projects"), ("/rwx", "/rwx"), ("/projects", "/projects")],
)
def test_the_prefix_may_be_there_or_not(path: str, inner: str) -> None:
    assert without_root_path(path, "/rw") == inner


@pytest.fixture
def below_path(database: Database) -> Iterator[Served]:
    track(database, 1)
    answer_all(database, seen("complete", 300))
    with served(database, web_root_path="/tools/renderwatch/") as web:
        yield web


def test_every_link_redirect_and_cookie_is_below_the_path(below_path: Served) -> None:
    root = "/tools/renderwatch"
    with httpx.Client(base_url=below_path.url, trust_env=False, timeout=60) as client:
        assert client.get(f"{root}/").headers["location"] == f"{root}/login"
        token = token_for(below_path.database, "read", "operate", "track")
        login = client.get(f"{root}/login?next=/projects")
        answer = client.post(f"{root}/login", data={"token": token, "next": "/projects"})
        assert answer.headers["location"] == f"{root}/projects"
        assert f"Path={root};" in answer.headers["set-cookie"]
        pages = [login, *(client.get(root + page) for page in PAGES)]
        path = next(link for link in LINK.findall(pages[2].text) if "/projects/video/" in link)
        project = client.get(path)
        links = {link for page in [*pages, project] for link in LINK.findall(page.text)}
        assert all(page.status_code == 200 for page in [*pages, project])
        assert [link for link in links if not link.startswith((f"{root}/", "#", "https://"))] == []
        assert f'data-root-path="{root}"' in project.text
        for link in links:
            if link.startswith(f"{root}/assets/"):
                assert client.get(link).status_code == 200
        # A proxy that takes the prefix away asks for the bare path.
        api = {"authorization": f"Bearer {token}"}
        assert client.get("/v1/openapi.json", headers=api).json()["servers"] == [{"url": root}]
        body = {"kind": "image", "project_id": "cmb1xk2v80000l70"}
        created = client.post(f"{root}/v1/projects", json=body, headers=api)
        assert created.headers["location"] == f"{root}/v1/projects/image/cmb1xk2v80000l70"


@contextmanager
def nginx(folder: Path, example: str, web: Served) -> Iterator[tuple[str, ssl.SSLContext]]:
    """Run nginx with one of the documented configurations, before a web process."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
    certificate = make_certificate(folder)
    if program is None or certificate is None:
        unavailable("no nginx or openssl on this machine")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    written = (ROOT / "deploy/nginx" / example).read_text(encoding="utf-8")
    written = written.replace("127.0.0.1:8321", urlsplit(web.url).netloc)
    written = written.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    written = re.sub(r"(ssl_certificate(?:_key)?\s+)\S+;", rf"\g<1>{certificate};", written)
    (folder / "site.conf").write_text(written, encoding="utf-8")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    http = f"access_log off;\n{folders}include site.conf;"
    main = f"pid {folder}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n{http}\n}}\n"
    (folder / "nginx.conf").write_text(main, encoding="utf-8")
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", "daemon off; master_process off;"]
    with (folder / "nginx.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    trusted = ssl.create_default_context(cafile=str(folder / "certificate.pem"))
    try:
        wait_for(lambda: _listens(port), 20, "nginx listens", (folder / "nginx.log").read_text)
        yield f"https://127.0.0.1:{port}", trusted
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(
    ("example", "root"), [("renderwatch.conf", ""), ("renderwatch-below-path.conf", "/renderwatch")]
)
def test_the_documented_nginx_works(database: Database, tmp_path: Path, example: str, root: str) -> None:
    token = token_for(database, "read")
    with (
        served(database, web_trusted_proxies=["127.0.0.1"], web_root_path=root) as web,
        nginx(tmp_path, example, web) as (url, trusted),
        httpx.Client(base_url=url, verify=trusted, trust_env=False, headers={"origin": url}, timeout=60) as client,
    ):
        answer = client.post(f"{root}/login", data={"token": token})
        assert (answer.status_code, answer.headers["location"]) == (303, f"{root}/")
        assert answer.headers["set-cookie"].startswith("__Secure-renderwatch" if root else "__Host-renderwatch")
        assert answer.headers["strict-transport-security"]
        assert client.get(f"{root}/").status_code == 200
        with client.stream("GET", f"{root}/live") as live:  # arrives although the response has no end
            assert next(live.iter_lines()) == "retry: 3000"
