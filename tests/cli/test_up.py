"""``renderwatch up``: the newcomer's first minute, as a process of its own."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import httpx
import pytest

from tests.support.judge import assert_clean, lies, read_logs, watching
from tests.support.processes import ROOT, wait_for
from tests.support.reaper import MARK
from tests.support.services import Broker
from worker.store.engine import Database

UP = [sys.executable, "-P", "-c", "from renderwatch_entry import main; main()", "up"]
THEIRS = "on-pythonpath"
ENDINGS = ("complete (settled)", "error (settled)", "canceled (settled)")


def environment(folder: Path, **more: str) -> dict[str, str]:
    ours = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONUNBUFFERED": "1"}
    ours |= {"PYTHONPATH": f"{folder / THEIRS}:{ROOT}", MARK: os.environ.get(MARK, "")}
    return ours | {"RENDERWATCH_WEB_PORT": "0"} | more  # any free port: other tests run one too


class Up:
    """A running ``renderwatch up`` whose output is a file."""

    all: ClassVar[list["Up"]] = []

    def __init__(self, folder: Path, *, command: Sequence[str] = UP, **more: str) -> None:
        self.path = folder / f"up-{time.monotonic_ns()}.txt"
        with self.path.open("w") as output:
            self.process = subprocess.Popen(
                command, cwd=folder, env=environment(folder, **more), stdout=output, stderr=subprocess.STDOUT
            )
        self.all.append(self)

    @property
    def output(self) -> str:
        return self.path.read_text(errors="replace")

    def says(self, text: str, timeout: float = 60) -> None:
        wait_for(lambda: text in self.output or self.process.poll() is not None, timeout, f"up says {text!r}")
        assert text in self.output, self.output

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def running_in(folder: Path) -> list[str]:
    """All processes that work in a folder, or know of it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if (process / "cwd").readlink() == folder or str(folder) in command:
                found.append(command)
        except OSError:
            continue  # it has just ended
    return found


def dashboard(folder: Path, output: str) -> tuple[str, str]:
    """The address of the dashboard, and the token to log in with."""
    found = re.search(r"^dashboard: (http://\S+) ", output, re.MULTILINE)
    assert found
    return found[1], (folder / ".renderwatch/web-token").read_text().strip()


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/v1/accounts").is_success
    except httpx.TransportError:
        return False


def demo_database(folder: Path) -> str:
    return f"sqlite:///{folder / '.renderwatch/demo.db'}"


def what_the_dashboard_says(client: httpx.Client, folder: Path) -> list[str]:
    """What of it is not so."""
    database = Database(demo_database(folder))
    try:
        return lies(client.get("/").raise_for_status().text, database)
    finally:
        database.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with modules of its user's, named like ours, also on PYTHONPATH; nothing runs in it afterwards."""
    names = ("celeryconfig.py", "worker.py", "worker/__init__.py", "migrations/__init__.py", "kombu.py")
    theirs = [f"{THEIRS}/{name}" for name in names if name != "kombu.py"]
    for name in (*names, *theirs):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(f"raise SystemExit({name!r} + ' of the current folder was imported')\n")
    yield tmp_path
    for up in Up.all:  # those of a test that failed before it stopped them
        if up.process.poll() is None:
            up.process.kill()
            up.process.wait()
    Up.all.clear()
    wait_for(lambda: not running_in(tmp_path), 30, "nothing runs in the folder", lambda: running_in(tmp_path))


def test_a_newcomer_sees_every_ending_and_the_news(folder: Path) -> None:
    up = Up(folder)
    try:
        up.says("this is a demo with a simulator")
        up.says("created and tracked 12 projects")
        url, token = dashboard(folder, up.output)
        with httpx.Client(base_url=url, headers={"authorization": f"Bearer {token}"}, trust_env=False) as client:
            wait_for(lambda: answers(client), 60, "the dashboard answers")
            assert len(client.get("/v1/projects").json()["data"]) == 12
            assert client.post("/login", data={"token": token}).has_redirect_location
            with watching(demo_database(folder)):
                for ending in ENDINGS:
                    up.says(ending, 150)
                    assert what_the_dashboard_says(client, folder) == []
        for news in ("project.completed", "project.failed", "project.canceled", "project.settled"):
            up.says(f"the example downstream task received: {news}")
        again = subprocess.run(UP, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)
        assert again.returncode == 1
        assert re.search(rf"process {up.process.pid}\b.*Stop it first, or choose", again.stderr)
    finally:
        code = up.stop()
    assert code == 0
    assert up.output.endswith("stopped\n")
    assert_clean(read_logs(folder / ".renderwatch/logs", up.path))


def test_a_private_broker_that_is_killed_comes_back_and_work_goes_on(folder: Path) -> None:
    up = Up(folder)
    try:
        up.says("created and tracked 12 projects")
        os.kill(_broker_of(up.process.pid), signal.SIGKILL)
        up.says("and was started again", 30)
        for ending in ENDINGS:
            up.says(ending, 150)
    finally:
        assert up.stop() == 0


def _broker_of(process: int) -> int:
    for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
        command = Path(f"/proc/{child}/cmdline").read_bytes()
        if b"redis-server" in command or b"valkey-server" in command:
            return int(child)
    raise AssertionError("renderwatch up runs no broker")


def test_a_second_evening_goes_on_in_the_same_folder(folder: Path) -> None:
    first = Up(folder)
    first.says("created and tracked 12 projects")
    assert first.stop() == 0
    second = Up(folder)
    second.says("projects of an earlier demo are no longer tracked")
    second.says("created and tracked 12 projects")
    assert second.stop() == 0
    assert_clean(read_logs(folder / ".renderwatch/logs", first.path, second.path))


def test_ctrl_c_stops_it_also_where_it_started_with_sigint_ignored(folder: Path) -> None:
    # A shell starts the background jobs of a script like this.
    up = Up(folder, command=["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh", *UP])
    up.says("created and tracked 12 projects")
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(60) == 0
    assert up.output.endswith("stopped\n")


def test_nothing_survives_when_it_is_killed(folder: Path) -> None:
    up = Up(folder)
    up.says("created and tracked 12 projects")
    assert len(running_in(folder)) > 4
    up.process.kill()
    up.process.wait()
    wait_for(lambda: not running_in(folder), 30, "nothing runs in the folder", lambda: running_in(folder))


def test_with_a_broker_and_a_key_of_ones_own_neither_is_made_up(
    folder: Path, sqlite_url: str, redis_service: Broker
) -> None:
    up = Up(
        folder,
        CELERY_BROKER_URL=redis_service.url,
        DATABASE_URL=sqlite_url,
        MAGIC_HOUR_API_KEY="mhk_live_key-of-the-tests",
        MAGIC_HOUR_BASE_URL="http://127.0.0.1:1",
    )
    up.says("track a project with: renderwatch track ID")
    assert "broker: as in CELERY_BROKER_URL" in up.output
    assert "demo" not in up.output
    assert not (folder / ".renderwatch" / "broker").exists()
    assert up.stop() == 0


def test_a_wrong_setting_is_one_line_and_nothing_starts(folder: Path) -> None:
    up = Up(folder, RENDERWATCH_RAET="5")
    assert up.process.wait(60) == 1
    assert up.output == "Error: there is no setting RENDERWATCH_RAET; did you mean RENDERWATCH_RATE?\n"


def test_in_a_terminal_it_is_live_and_ctrl_c_stops_everything(folder: Path) -> None:
    process, terminal = pty.fork()
    if process == 0:  # pragma: no cover  in the child
        os.chdir(folder)
        os.execve(UP[0], UP, environment(folder, TERM="xterm-256color", COLUMNS="110", LINES="40"))
    screen = b""

    def read_until(text: bytes, timeout: float = 60) -> None:
        nonlocal screen
        deadline = time.monotonic() + timeout
        while text not in screen:
            assert time.monotonic() < deadline, screen[-3000:].decode(errors="replace")
            if select.select([terminal], [], [], 0.2)[0]:
                screen += os.read(terminal, 65536)

    try:
        read_until(b"Ctrl-C stops everything")
        read_until(b"12 projects")
        os.write(terminal, b"\x03")
        read_until(b"stopped\r\n")
    finally:
        _, status = os.waitpid(process, 0)
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
