"""A yes-or-no query with a time-out, for a database that may hang."""

import threading
from collections.abc import Callable


class QueryWithTimeout:
    """Runs a query in a thread for at most ``timeout`` seconds. Without a result, the answer is yes."""

    def __init__(self, question: Callable[[], bool], timeout: float) -> None:
        """Do not run the query yet."""
        self._question = question
        self._timeout = timeout
        self._asking: threading.Thread | None = None
        self._answer = True

    def ask(self) -> bool:
        """Return the answer. While an earlier query is still running, no other is started."""
        if self._asking is not None and self._asking.is_alive():
            return True
        self._answer = True
        # A daemon, so that a hanging connection does not prevent the process from exiting.
        self._asking = threading.Thread(target=self._run, name="probe", daemon=True)
        self._asking.start()
        self._asking.join(self._timeout)
        return self._answer

    def _run(self) -> None:
        try:
            self._answer = self._question()
        except Exception:  # noqa: BLE001  the task will meet the same error and report it
            self._answer = True
