"""Beat sends what is wanted, and everything while the database does not answer."""

import threading

import pytest
from celery.beat import ScheduleEntry
from celery.beat import Scheduler as CeleryScheduler

from worker.app import app
from worker.store.engine import StoreUnavailableError
from worker.tasks.names import DELIVER, DISPATCH, LEARN
from worker.tasks.processes.query_with_timeout import QueryWithTimeout
from worker.tasks.scheduler import Scheduler


def test_a_probe_gives_the_answer() -> None:
    given = iter([False, True, False])
    probe = QueryWithTimeout(lambda: next(given), timeout=30)
    assert [probe.ask() for _ in range(3)] == [False, True, False]


def test_it_is_yes_while_the_database_is_away() -> None:
    def question() -> bool:
        raise StoreUnavailableError

    probe = QueryWithTimeout(question, timeout=30)
    assert [probe.ask() for _ in range(2)] == [True, True]


def test_it_is_yes_while_there_is_no_answer_and_nobody_asks_again() -> None:
    asked, answer = 0, threading.Event()

    def question() -> bool:
        nonlocal asked
        asked += 1
        answer.wait(30)
        return False

    probe = QueryWithTimeout(question, timeout=0.05)
    assert [probe.ask() for _ in range(4)] == [True] * 4
    assert asked == 1
    answer.set()
    assert probe._asking
    probe._asking.join(30)
    assert not probe.ask()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What beat sends, while the database answers that nothing is wanted."""
    sent: list[str] = []

    def send(_: CeleryScheduler, entry: ScheduleEntry, producer: object) -> None:  # noqa: ARG001  named as Celery names it
        sent.append(str(entry.task))

    monkeypatch.setattr(CeleryScheduler, "apply_entry", send)
    monkeypatch.setattr(QueryWithTimeout, "ask", lambda _: False)
    return sent


def test_beat_sends_everything_once_and_then_what_is_wanted(sent: list[str]) -> None:
    beat = Scheduler(app)
    entries = {entry.task: entry for entry in beat.schedule.values()}
    for task in (DISPATCH, DELIVER, LEARN) * 2:
        beat.apply_entry(entries[task])
    assert sent == [DISPATCH, DELIVER, LEARN, LEARN]
