import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import Run
from tests.store.world import stored
from tests.support.processes import ROOT, Programs
from worker.cli.dashboard import Dashboard, choose_dashboard, invitation
from worker.settings import Settings
from worker.store.access_tokens import find_token
from worker.store.engine import Database
from worker.store.models import ApiToken

WEB = ["-c", "from worker.cli.main import main; main(prog_name='renderwatch')", "web"]


def test_a_token_is_shown_once_and_only_its_hash_is_kept(run: Run, store: Database) -> None:
    said = run("tokens", "create", "studio", "--scope", "track", "--scope", "read")
    token = said.out.strip()
    assert re.fullmatch(r"rw_[A-Za-z0-9_-]{43}", token)
    assert "studio may: track projects; read everything" in said.err
    assert token not in json.dumps(stored(store, ApiToken), default=str)
    with store.read() as connection:
        caller = find_token(connection, token)
    assert caller
    assert caller.scopes == {"track", "read"}
    listed = run("tokens", "list", "--json").json
    assert [(row["name"], row["scopes"], row["is_valid"]) for row in listed] == [("studio", ["track", "read"], True)]
    assert token[3:] not in run("tokens", "list").out


def test_a_revoked_or_expired_token_is_worth_nothing_and_its_name_is_free(run: Run, store: Database) -> None:
    first = run("tokens", "create", "ann").out.strip()
    again = run("tokens", "create", "ann")
    assert (again.code, "revoke it, or choose another name" in again.err) == (1, True)
    assert run("tokens", "revoke", "ann").out == "ann: revoked\n"
    assert "there is no valid token 'ann'" in run("tokens", "revoke", "ann").err
    brief = run("tokens", "create", "ann", "--days", "0.00000001").out.strip()
    with store.read() as connection:
        assert find_token(connection, first) is None
        assert find_token(connection, brief) is None


@pytest.mark.parametrize("name", ["", "a b", "-x", "x" * 64, "ä"])
def test_a_name_that_cannot_be_one_is_refused(run: Run, name: str) -> None:
    said = run("tokens", "create", "--", name)
    assert said.code == 1
    assert "letters, digits" in said.err


def test_web_serves_until_it_is_stopped(sqlite_url: str, tmp_path: Path) -> None:
    with Programs(tmp_path) as programs:
        web = programs.start("web", [*WEB, "--port", "0"], {"DATABASE_URL": sqlite_url})
        web.says("HTTP API and dashboard: http://127.0.0.1:")
        url = web.log.split("dashboard: ")[1].split()[0]
        assert httpx.get(f"{url}/login", trust_env=False).status_code == 200
        web.ask_to_stop()
        assert web.ends() in (0, -signal.SIGTERM)
        assert "Traceback" not in web.log


def test_web_refuses_strangers_without_a_token_and_a_port_that_is_taken(sqlite_url: str, tmp_path: Path) -> None:
    def says(*options: str) -> str:
        variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "DATABASE_URL": sqlite_url}
        command = [sys.executable, *WEB, *options]
        ended = subprocess.run(command, env=variables, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ended.returncode == 1
        assert "Traceback" not in ended.stderr
        return ended.stderr

    assert "can be reached from other machines, and there is no token yet" in says("--host", "0.0.0.0", "--port", "0")  # noqa: S104
    with Programs(tmp_path) as programs:
        first = programs.start("first", [*WEB, "--port", "0"], {"DATABASE_URL": sqlite_url})
        first.says("dashboard: http://")
        port = first.log.split("dashboard: http://127.0.0.1:")[1].split()[0]
        assert "cannot be listened on" in says("--port", port)


def test_web_asks_for_migrations_first(tmp_path: Path) -> None:
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "DATABASE_URL": f"sqlite:///{tmp_path}/new.db"}
    command = [sys.executable, *WEB, "--port", "0"]
    ended = subprocess.run(command, env=variables, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.stderr.endswith("run: renderwatch migrate\n")


def test_up_invites_with_a_link_at_a_terminal_and_a_private_file_elsewhere(store: Database, tmp_path: Path) -> None:
    dashboard = Dashboard("127.0.0.1", 8321)
    link = invitation(store, dashboard, tmp_path, at_terminal=True)
    first = link.split("#")[1]
    assert link.startswith("dashboard: http://127.0.0.1:8321/login#rw_")
    told = invitation(store, dashboard, tmp_path, at_terminal=False)
    path = tmp_path / "web-token"
    assert str(path) in told
    assert "rw_" not in told
    assert path.stat().st_mode & 0o077 == 0
    with store.read() as connection:
        assert find_token(connection, first) is None
        assert find_token(connection, path.read_text().strip())


def test_up_takes_another_port_when_one_is_taken() -> None:
    first = choose_dashboard(Settings(web_port=0))
    assert first.port > 0
    assert first.environment["RENDERWATCH_WEB_PORT"] == str(first.port)
