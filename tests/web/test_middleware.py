from collections.abc import Callable

import httpx
import pytest
from sqlalchemy import text

from tests.web.conftest import Served, served, token_for
from worker.domain.access_tokens import SCOPES
from worker.store.access_tokens import revoke_token
from worker.store.engine import Database
from worker.web.gate.bind_address import NotGuardedError, check_guarded, is_loopback
from worker.web.gate.client_limits import ClientRateLimit

PATHS = [
    "/", "/projects", "/v1/projects", "/v1/openapi.json", "/v1", "/v1/nothing", "/nothing", "/assets/app.css",
    "/openapi.json", "/docs", "/healthz", "/live", "/settings", "/V1/projects", "//v1/projects", "/v1/../v1/projects",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
def test_who_is_not_logged_in_learns_nothing_else(web: Served, method: str, path: str) -> None:
    answer = httpx.request(method, web.url + path, trust_env=False)
    assert answer.status_code in (303, 401), (path, answer.status_code)
    if answer.status_code == 303:
        assert answer.headers["location"].startswith("/login")
    assert "allow" not in answer.headers
    assert "server" not in answer.headers
    assert "log in" in answer.text or answer.status_code == 303


def test_a_token_opens_only_what_its_scopes_say(web: Served) -> None:
    item = {"kind": "video", "project_id": "cmb1xk2v80000l70"}
    tries: dict[str, Callable[[httpx.Client], httpx.Response]] = {
        "track": lambda client: client.post("/v1/projects", json=item),
        "read": lambda client: client.get("/v1/projects"),
        "operate": lambda client: client.post("/v1/deliveries/dead/replay"),
    }
    for scope in SCOPES:
        with web.client(scope, name=f"only-{scope}") as client:
            for needed, ask in tries.items():
                answer = ask(client)
                if needed == scope:
                    assert answer.status_code < 300, answer.text
                else:
                    assert answer.status_code == 403
                    assert answer.json()["code"] == "scope_missing"
                    assert f"--scope {needed}" in answer.json()["detail"]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Basic eDp5", "Bearer rw_" + "a" * 43, "Bearer \xff"])
def test_a_wrong_token_is_refused(web: Served, header: str) -> None:
    answer = httpx.get(f"{web.url}/v1/projects", headers={b"authorization": header.encode("latin-1")}, trust_env=False)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_revoked_token_is_refused_at_once_in_a_new_process(database: Database) -> None:
    token = token_for(database, "read")
    headers = {"authorization": f"Bearer {token}"}
    with served(database) as web:
        assert httpx.get(f"{web.url}/v1/projects", headers=headers, trust_env=False).status_code == 200
    with database.write() as connection:
        assert revoke_token(connection, "tests")
    with served(database) as web:
        assert httpx.get(f"{web.url}/v1/projects", headers=headers, trust_env=False).status_code == 401


def test_too_many_requests_are_told_when_to_come_back(database: Database) -> None:
    with served(database, web_rate=0.01, web_burst=3) as web, web.client("read") as client:
        answers = [client.get("/v1/projects") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 100
    assert answers[-1].json()["code"] == "rate_limited"


def test_whoever_guesses_tokens_must_wait(web: Served) -> None:
    header = {"authorization": "Bearer rw_" + "b" * 43}
    codes: list[int] = []
    while 429 not in codes and len(codes) < 100:  # some more than ten, if the machine is slow
        codes.append(httpx.get(f"{web.url}/v1/projects", headers=header, trust_env=False).status_code)
    assert set(codes) == {401, 429}


def test_a_large_body_is_refused_before_it_is_read(database: Database) -> None:
    with served(database, web_longest_body=2000) as web, web.client("track") as client:
        told = client.post("/v1/projects", content=b" " * 2001, headers={"content-type": "application/json"})
        hidden = client.post("/v1/projects", content=iter([b" " * 1500, b" " * 1500]))
    for answer in (told, hidden):
        assert answer.status_code == 413
        assert answer.json()["code"] == "too_large"


def test_every_answer_carries_the_headers_that_guard_browsers(web: Served) -> None:
    answer = httpx.get(f"{web.url}/login", trust_env=False)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


def test_a_database_that_is_gone_is_a_clear_answer() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/nothing")
    with served(database) as web:
        header = {"authorization": "Bearer rw_" + "c" * 43}
        answer = httpx.get(f"{web.url}/v1/projects", headers=header, trust_env=False)
        page = httpx.get(web.url, cookies={"renderwatch": "x"}, trust_env=False)
    assert answer.status_code == 503
    assert answer.json()["code"] == "database_unavailable"
    assert "127.0.0.1" not in answer.text
    assert (page.status_code, "The database cannot be reached" in page.text) == (503, True)


def test_an_address_that_others_can_reach_needs_a_token_first(database: Database) -> None:
    check_guarded(database, "127.0.0.1")
    with pytest.raises(NotGuardedError, match="renderwatch tokens create"):
        check_guarded(database, "0.0.0.0")  # noqa: S104  that is what is refused
    token_for(database, "read")
    check_guarded(database, "0.0.0.0")  # noqa: S104  now it is guarded


@pytest.mark.parametrize(
    ("host", "is_it"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True), ("localhost", True), ("0.0.0.0", False),  # noqa: S104
     ("::", False), ("10.0.0.1", False), ("example.com", False), ("localhost.example.com", False)],
)  # fmt: skip
def test_loopback_addresses_are_known(host: str, is_it: bool) -> None:  # noqa: FBT001  from the table
    assert is_loopback(host) is is_it


def test_a_bucket_fills_again_and_few_are_remembered() -> None:
    now = 0.0
    limit = ClientRateLimit(2.0, 3, lambda: now)
    assert [limit.consume("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert limit.consume("b") == 0
    now = 0.5
    assert limit.consume("a") == 0
    assert limit.wait("a") == 0.5
    for key in range(20_000):
        limit.consume(key)
    assert len(limit._buckets) == 10_000


def test_a_read_only_database_is_called_that(postgres_url: str) -> None:
    database = Database(postgres_url)
    token = token_for(database, "track", "read")
    itself = database.engine.url.database
    with database.write() as connection:
        connection.execute(text(f"ALTER DATABASE {itself} SET default_transaction_read_only = on"))
    database.close()  # new connections have the setting
    item = {"kind": "video", "project_id": "cmb1xk2v80000l70"}
    with served(database) as web, httpx.Client(base_url=web.url, trust_env=False) as client:
        tracked = client.post("/v1/projects", json=item, headers={"authorization": f"Bearer {token}"})
        page = client.post("/login", data={"token": token, "next": "/"})
    database.close()
    assert (tracked.status_code, tracked.json()["code"]) == (503, "database_unavailable")
    assert tracked.json()["detail"].startswith("the database is read-only: it is a standby, or default_transaction")
    assert "renderwatch doctor --only database" in tracked.json()["detail"]
    assert (page.status_code, "The database is read-only" in page.text) == (503, True)
