"""``renderwatch health``: what container and service managers run, held against real processes in every condition."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.support.processes import Programs, environment, wait_for
from tests.support.redis_node import RedisNode
from worker.cli import health as command
from worker.cli.main import main
from worker.settings import get_settings

Health = Callable[..., Result]


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    with Programs(tmp_path) as running:
        yield running


@pytest.fixture
def redis_node(tmp_path: Path) -> Iterator[RedisNode]:
    node = RedisNode(tmp_path / "redis")
    yield node
    node.kill(forget=True)


@pytest.fixture
def health(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Health]:
    """Run ``renderwatch health …`` with the settings of the processes."""
    monkeypatch.setenv("RENDERWATCH_STATE_DIR", str(tmp_path / "state"))

    def ask(*arguments: str) -> Result:
        get_settings.cache_clear()
        return CliRunner().invoke(main, ["health", *arguments])

    yield ask
    get_settings.cache_clear()


@pytest.mark.parametrize("role", ["worker", "beat"])
def test_a_process_is_healthy_until_it_hangs_loses_its_broker_or_dies(
    role: str,
    sqlite_url: str,
    redis_node: RedisNode,
    programs: Programs,
    health: Health,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    variables = environment(
        sqlite_url, redis_node.broker, "http://127.0.0.1:1", state_dir=str(tmp_path / "state"), dispatch_every=0.5
    )
    assert "no " + role + " runs here" in health(role).output

    process = programs.worker(variables, options="-c 1 -l INFO") if role == "worker" else programs.beat(variables)
    wait_for(lambda: health(role).exit_code == 0, 30, "healthy", lambda: health(role).output)
    assert f"{role}: ok (1 running" in health(role).output

    redis_node.kill(forget=False)
    wait_for(lambda: health(role).exit_code == 1, 60, "unhealthy without its broker", lambda: health(role).output)
    assert "no connection to the broker" in health(role).output
    assert health(role, "--alive").exit_code == 0
    redis_node.start()
    wait_for(lambda: health(role).exit_code == 0, 60, "healthy again", lambda: health(role).output)

    monkeypatch.setattr(command, "SILENT_AFTER", 7.0)  # more than one beat
    os.kill(process.process.pid, signal.SIGSTOP)
    wait_for(lambda: "hangs" in health(role).output, 30, "found silent", lambda: health(role).output)
    assert health(role, "--alive").exit_code == 0, "a call to a broker that hangs blocks it as long"
    monkeypatch.setattr(command, "HANGS_AFTER", 7.0)
    wait_for(lambda: "hangs" in health(role, "--alive").output, 30, "found to hang", lambda: health(role).output)
    assert health(role, "--alive").exit_code == 1
    os.kill(process.process.pid, signal.SIGCONT)
    wait_for(lambda: health(role).exit_code == 0, 30, "healthy once more", lambda: health(role).output)

    process.kill()
    assert f"no {role} runs here" in health(role).output
    assert not list((tmp_path / "state/processes").glob(f"{role}-*"))


def test_one_process_that_hangs_is_enough(health: Health, programs: Programs, tmp_path: Path) -> None:
    """Not a living process of the same id as a dead one, nor a healthy neighbour, hides it."""
    code = """
import sys, time
from pathlib import Path
from worker.health import process_heartbeat as h
if sys.argv[1] == "hangs":
    now = time.monotonic
    h.time.monotonic = lambda: now() - 300
beat = h.ProcessHeartbeat(Path(sys.argv[2]), "worker")
print("beats", flush=True)
time.sleep(60)
"""
    folder = tmp_path / "state/processes"
    for name in ("hangs", "works"):
        programs.start(name, ["-c", code, name, str(folder)], {}).says("beats")
    (folder / f"worker-{os.getpid()}").write_text('{"beat_at": 0, "problem": null}', encoding="utf-8")
    said = health("worker")
    assert said.exit_code == 1
    assert "no heartbeat of its main loop for 300 s" in said.output
    assert str(os.getpid()) not in said.output


def test_health_of_web_asks_its_address(health: Health, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RENDERWATCH_WEB_HOST", "0.0.0.0")  # noqa: S104  nothing is bound here
    monkeypatch.setenv("RENDERWATCH_WEB_PORT", "1")
    said = health("web")
    assert said.exit_code == 1
    assert "no answer from 127.0.0.1:1" in said.output


def test_each_heartbeat_feeds_the_watchdog_of_systemd(programs: Programs, tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from worker.health.process_heartbeat import ProcessHeartbeat
ProcessHeartbeat(Path(sys.argv[1]), "beat").beat()
print("beats", flush=True)
"""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        programs.start("beats", ["-c", code, str(tmp_path)], {"NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert [systemd.recv(100), systemd.recv(100)] == [b"WATCHDOG=1"] * 2
