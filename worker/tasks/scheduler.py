"""Beat's scheduler: it sends what the schedule says, unless SQL says that there is nothing to do.

A message wakes a worker and one of its children, and two beats send one each every second. When nothing was due, that
was nine tenths of what the whole system did.
"""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Final

from celery.beat import Scheduler as CeleryScheduler

from worker.store.wanted import Wanted
from worker.tasks.names import DELIVER, DISPATCH
from worker.tasks.resources import database

# Dispatch comes by at least so often, for its row tells everybody that beat, broker, workers and SQL work together.
# They call it silent after 30 s.
_SILENCE: Final = 10.0
_PATIENCE: Final = 1.0


class Question:
    """A yes-or-no question that must not keep beat waiting: without an answer it is yes, as if nobody had asked."""

    def __init__(self, ask: Callable[[], bool], patience: float = _PATIENCE) -> None:
        """Ask nothing yet; the first answer is yes."""
        self._ask = ask
        self._patience = patience
        self._asked: SimpleQueue[None] = SimpleQueue()
        self._answers: SimpleQueue[bool] = SimpleQueue()
        self._started = self._unanswered = False

    def is_yes(self) -> bool:
        """Ask, and wait a moment for the answer. While an earlier question is not answered, no other is asked."""
        if not self._started:
            self._started = True
            # A thread of its own, because a connection to a host that is gone, or stands still, waits for minutes.
            threading.Thread(target=self._answer, daemon=True).start()
            return True
        try:
            if self._unanswered:
                self._answers.get_nowait()  # to an old question
            self._unanswered = True
            self._asked.put(None)
            answer = self._answers.get(timeout=self._patience)
        except Empty:
            return True
        self._unanswered = False
        return answer

    def _answer(self) -> None:
        while True:
            self._asked.get()
            try:
                answer = self._ask()
            except Exception:  # noqa: BLE001  whatever it is, the task comes upon it too, and says so
                answer = True
            self._answers.put(answer)


class Scheduler(CeleryScheduler):
    """Celery's own, with a question before some of the tasks. Each of them is sent once at the start, unasked."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  Celery's own
        """Start as Celery's own does."""
        wanted = Wanted(database(), _SILENCE)
        self._questions = {DISPATCH: Question(wanted.dispatch), DELIVER: Question(wanted.deliver)}
        super().__init__(*args, **kwargs)

    def apply_entry(self, entry: Any, producer: Any = None) -> None:  # noqa: ANN401  as above
        """Send a task that is due by the schedule, if there is anything for it to do."""
        question = self._questions.get(entry.task)
        if question is None or question.is_yes():
            super().apply_entry(entry, producer=producer)

    def adjust(self, n: float, drift: float = 0.0) -> float:
        """Wake up when a task is due, and not 10 ms before: for these Celery's own goes round and round."""
        return super().adjust(n, drift)  # type: ignore[arg-type]  # celery-types says int, Celery counts in fractions
