from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from kombu import Connection
from kombu.exceptions import ChannelError

from worker.embedded.broker import embedded_broker
from worker.embedded.serverless import serverless

from .embedded_probe import app_for, celery_process, notes, wait_until

if TYPE_CHECKING:
    from pathlib import Path

WORKER = ("worker", "--pool", "prefork", "-c", "1", "-E", "-n", "one@probe")


def files(state: Path) -> list[str]:
    return [path.name for path in (state / "broker" / "spool").iterdir() if path.is_file()]


def test_a_damaged_message_is_dropped_and_the_worker_goes_on(state: Path) -> None:
    with embedded_broker(state, [serverless]) as broker, app_for(broker) as sender:
        (state / "broker" / "spool" / "1_damaged.celery.msg").write_text('{"body": ')
        sender.send_task("probe.note", args=["after-the-damage"])
        with celery_process(broker, state, *WORKER):
            wait_until(lambda: notes(state) == ["after-the-damage"])


def test_nothing_stays_behind_when_all_is_handled(state: Path) -> None:
    with embedded_broker(state, [serverless]) as broker, app_for(broker) as sender:
        with celery_process(broker, state, *WORKER):
            for _ in range(10):
                sender.send_task("probe.note", args=["done"])
            wait_until(lambda: notes(state).count("done") == 10)
            assert wait_until(lambda: sender.control.ping(timeout=2))
        wait_until(lambda: not [name for name in files(state) if "pidbox" not in name])


def test_a_start_removes_what_dead_processes_left_and_keeps_messages(state: Path) -> None:
    with embedded_broker(state, [serverless]):
        pass
    spool = state / "broker" / "spool"
    for name in (".new-1_a.checks.msg", ".taken-2_b.checks.msg", "3_c.w@h.celery.pidbox.msg", "4_d.checks.msg"):
        (spool / name).touch()
    (spool / "control" / "celeryev.exchange").touch()
    with embedded_broker(state, [serverless]):
        assert files(state) == ["4_d.checks.msg"]
        assert list((spool / "control").iterdir()) == []


def test_every_message_reaches_exactly_one_of_two_readers_in_order(state: Path) -> None:
    with (
        embedded_broker(state / "a space & more", [serverless]) as broker,
        Connection(broker.url) as one,
        Connection(broker.url) as two,
        one.SimpleQueue("q") as writer,
        two.SimpleQueue("q") as reader,
    ):
        for number in range(6):
            writer.put(number)
        got = []
        for queue in (writer, reader) * 3:
            message = queue.get(timeout=5)
            message.ack()
            got.append(message.payload)
        assert got == list(range(6))


def test_a_message_that_cannot_be_stored_is_an_error_for_its_sender(state: Path) -> None:
    with embedded_broker(state, [serverless]) as broker, Connection(broker.url) as sender:
        channel: Any = sender.channel()
        (state / "broker" / "spool").rename(state / "gone")
        with pytest.raises(ChannelError, match="cannot store a message"):
            channel._put("q", {})
        (state / "gone").rename(state / "broker" / "spool")
