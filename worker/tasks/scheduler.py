"""Beat's scheduler: it sends what the schedule says, unless SQL says that there is nothing to do.

A message wakes a worker and one of its children, and two beats send one each every second. When nothing was due, that
was nine tenths of what the whole system did.
"""

import threading
from collections.abc import Callable
from typing import Any, Final

from celery.beat import Scheduler as CeleryScheduler

from worker.store.engine import StoreUnavailableError
from worker.store.wanted import deliver_wanted, dispatch_wanted
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
        self._thread = threading.Thread()
        self._asked = False
        self._yes = True

    def is_yes(self) -> bool:
        """Ask, and wait a moment for the answer. While an earlier question is not answered, no other is asked."""
        if not self._asked:
            self._asked = True
            return True
        if not self._thread.is_alive():
            self._yes = True
            # A thread of its own, because a connection to a host that is gone, or stands still, waits for minutes.
            self._thread = threading.Thread(target=self._answer, daemon=True)
            self._thread.start()
            self._thread.join(self._patience)
        return self._thread.is_alive() or self._yes

    def _answer(self) -> None:
        try:
            self._yes = self._ask()
        except StoreUnavailableError:
            return  # the task says so, where it is looked for


def _dispatch_wanted() -> bool:
    with database().read() as connection:
        return dispatch_wanted(connection, _SILENCE)


def _deliver_wanted() -> bool:
    with database().read() as connection:
        return deliver_wanted(connection)


class Scheduler(CeleryScheduler):
    """Celery's own, with a question before some of the tasks. Each of them is sent once at the start, unasked."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  Celery's own
        """Start as Celery's own does."""
        self._questions = {DISPATCH: Question(_dispatch_wanted), DELIVER: Question(_deliver_wanted)}
        super().__init__(*args, **kwargs)

    def apply_entry(self, entry: Any, producer: Any = None) -> None:  # noqa: ANN401  as above
        """Send a task that is due by the schedule, if there is anything for it to do."""
        question = self._questions.get(entry.task)
        if question is None or question.is_yes():
            super().apply_entry(entry, producer=producer)
