"""Beat sends what is wanted, and everything while it gets no answer."""

import threading

import pytest
from celery.beat import ScheduleEntry
from celery.beat import Scheduler as CeleryScheduler

from worker.app import app
from worker.store.engine import StoreUnavailableError
from worker.store.wanted import Wanted
from worker.tasks.names import DELIVER, DISPATCH, LEARN
from worker.tasks.scheduler import Question, Scheduler


def test_the_first_answer_is_yes_and_nobody_is_asked() -> None:
    def ask() -> bool:
        raise AssertionError

    assert Question(ask).is_yes()


def test_later_answers_are_those_that_were_given() -> None:
    given = iter([False, True, False])
    question = Question(lambda: next(given), patience=30)
    assert [question.is_yes() for _ in range(4)] == [True, False, True, False]


def test_it_is_yes_while_the_database_is_away() -> None:
    def ask() -> bool:
        raise StoreUnavailableError

    question = Question(ask, patience=30)
    assert [question.is_yes() for _ in range(3)] == [True, True, True]


def test_it_is_yes_while_there_is_no_answer_and_nobody_asks_again() -> None:
    asked, answer = 0, threading.Event()

    def ask() -> bool:
        nonlocal asked
        asked += 1
        answer.wait(30)
        return False

    question = Question(ask, patience=0.05)
    assert [question.is_yes() for _ in range(4)] == [True] * 4
    assert asked == 1
    answer.set()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What beat sends, while the database answers that nothing is wanted."""
    sent: list[str] = []

    def send(_: CeleryScheduler, entry: ScheduleEntry, producer: object) -> None:  # noqa: ARG001  named as Celery names it
        sent.append(str(entry.task))

    monkeypatch.setattr(CeleryScheduler, "apply_entry", send)
    for name in ("dispatch", "deliver"):
        monkeypatch.setattr(Wanted, name, lambda _: False)
    return sent


def test_beat_sends_everything_once_and_then_what_is_wanted(sent: list[str]) -> None:
    beat = Scheduler(app)
    entries = {entry.task: entry for entry in beat.schedule.values()}
    for task in (DISPATCH, DELIVER, LEARN) * 2:
        beat.apply_entry(entries[task])
    assert sent == [DISPATCH, DELIVER, LEARN, LEARN]
