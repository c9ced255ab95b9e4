from __future__ import annotations

from typing import TYPE_CHECKING

from worker.embedded.broker import embedded_broker

from .embedded_probe import app_for, celery_process, notes, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from worker.embedded.server import ServerProgram

WORKER = ("worker", "--pool", "prefork", "-c", "1", "--without-gossip", "--without-mingle")


def test_a_worker_process_receives_what_another_process_sends(state: Path, program: ServerProgram) -> None:
    with embedded_broker(state, [program]) as broker, app_for(broker) as sender:
        sender.send_task("probe.note", args=["before-the-worker"], expires=300)
        with celery_process(broker, state, *WORKER):
            wait_until(lambda: "before-the-worker" in notes(state))
            sender.send_task("probe.note", args=["too-late"], expires=-1)
            sender.send_task("probe.note", args=["after"], expires=300)
            wait_until(lambda: "after" in notes(state))
    assert notes(state) == ["before-the-worker", "after"]


def test_beat_and_worker_are_two_processes(state: Path, program: ServerProgram) -> None:
    with (
        embedded_broker(state, [program]) as broker,
        celery_process(broker, state, *WORKER),
        celery_process(broker, state, "beat", "--max-interval", "1"),
    ):
        wait_until(lambda: notes(state).count("tick") >= 3)


def test_remote_control_reaches_the_worker(state: Path, program: ServerProgram) -> None:
    with (
        embedded_broker(state, [program]) as broker,
        app_for(broker) as sender,
        celery_process(broker, state, *WORKER, "-n", "one@probe"),
    ):
        assert wait_until(lambda: sender.control.ping(timeout=2)) == [{"one@probe": {"ok": "pong"}}]


def test_queued_messages_survive_a_restart(state: Path, program: ServerProgram) -> None:
    with embedded_broker(state, [program]) as broker, app_for(broker) as sender:
        for number in range(20):
            sender.send_task("probe.note", args=[f"n{number}"])
    with embedded_broker(state, [program]) as broker, celery_process(broker, state, *WORKER):
        wait_until(lambda: len(notes(state)) == 20)
    assert notes(state) == [f"n{number}" for number in range(20)]
