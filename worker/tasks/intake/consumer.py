"""The thread that consumes a queue that others send to: collect, store in one transaction, acknowledge."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeVar

from kombu.exceptions import OperationalError

from worker.domain.log_events import event
from worker.health.process_heartbeat import SILENT_AFTER
from worker.store.engine import StoreUnavailableError
from worker.tracking.fault_isolation import attempt

_T = TypeVar("_T")
# How long a message waits for others to share its transaction.
COLLECT: Final = 0.02
_ENOUGH: Final = 500
_RETRY_AFTER: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
_LOOK_AFTER_OTHERS_EVERY: Final = 15.0
_STOP_WITHIN: Final = 15.0
_NOTE_EVERY: Final = 10.0
_log: Final = logging.getLogger("renderwatch.intake")


class IncomingQueue(Protocol[_T]):
    """The interface of a broker's queue; see RedisQueue and AmqpQueue."""

    def wait(self) -> bool:
        """Wait for a message, a second at most."""
        ...

    def take(self) -> list[list[_T]]:
        """Take more messages, and return all that are held."""
        ...

    def done(self) -> None:
        """Acknowledge the messages held, which are stored."""
        ...

    def keep_alive(self) -> None:
        """Tell the broker that we still hold the messages."""
        ...

    def give_back_of_others(self) -> int:
        """Return messages held by consumers that are gone."""
        ...

    def close(self) -> None:
        """Return the messages held, and disconnect."""
        ...


class QueueConsumer(Generic[_T]):
    """Consumes the queue until it is stopped, whatever happens to broker and database."""

    def __init__(
        self,
        name: str,
        connect: Callable[[], IncomingQueue[_T]],
        store: Callable[[list[_T]], None],
        note: Callable[[str | None], None],
    ) -> None:
        """Do not start yet; ``connect`` opens the queue, and reopens it after a connection loss.

        ``store`` stores a batch and raises nothing but StoreUnavailableError. ``note`` is called with None while the
        queue can be read, and with the reason when it cannot.
        """
        self._name = name
        self._connect = connect
        self._store_all = store
        self._note = note
        self._stopping = threading.Event()
        self._turned_at = time.monotonic()
        self._noted_at = -_NOTE_EVERY
        self._failure: str | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        _running.append(self)
        self._thread.start()

    def stop(self) -> None:
        """Finish the current transaction; return all other messages to the queue."""
        self._stopping.set()
        if self in _running:
            _running.remove(self)
        if self._thread.is_alive():
            self._thread.join(_STOP_WITHIN)

    @property
    def problem(self) -> str | None:
        """What keeps this consumer from reading the queue, if anything."""
        still = self.seconds_still
        if still > SILENT_AFTER:
            return f"its thread for {self._name} has stood still for {still:.0f} s; restart it"
        return self._failure and f"the queue renderwatch.{self._name} cannot be read: {self._failure}"

    @property
    def seconds_still(self) -> float:
        """The seconds since its loop last ran."""
        return time.monotonic() - self._turned_at

    def _turn(self) -> None:
        """Record that the queue can be read."""
        self._turned_at, self._failure = time.monotonic(), None
        if self._turned_at - self._noted_at >= _NOTE_EVERY:
            self._noted_at = self._turned_at
            attempt("noting that a queue can be read", partial(self._note, None))

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                self._serve()
            except Exception as error:  # noqa: BLE001  drivers raise what they like, and this thread must not end
                failures = 0 if time.monotonic() - started > _RETRY_AFTER[-1] else failures
                self._turned_at = time.monotonic()
                self._failure = str(error).partition("\n")[0] or type(error).__name__
                self._log_loss(error)
                attempt("noting that a queue cannot be read", partial(self._note, self._failure))
                self._stopping.wait(_RETRY_AFTER[min(failures, len(_RETRY_AFTER) - 1)])
                failures += 1

    def _log_loss(self, error: Exception) -> None:
        broken = isinstance(error, (OSError, OperationalError)) or type(error).__module__.startswith(("redis", "amqp"))
        _log.error(
            "%s: the broker cannot be read, trying again: %s",
            self._name,
            str(error).partition("\n")[0] or type(error).__name__,
            exc_info=None if broken else error,
            extra=event("broker_unavailable", work=self._name),
        )

    def _serve(self) -> None:
        queue = self._connect()
        try:
            looked = time.monotonic()
            while not self._stopping.is_set():
                is_waiting = queue.wait()
                self._turn()
                if is_waiting:
                    self._take_batch(queue)
                if time.monotonic() - looked > _LOOK_AFTER_OTHERS_EVERY:
                    looked = time.monotonic()
                    if given_back := queue.give_back_of_others():
                        _log.warning(
                            "%s: returned %d messages of lost workers to the queue",
                            self._name,
                            given_back,
                            extra=event("messages_returned", messages=given_back),
                        )
        finally:
            # Messages not returned now are returned by others after a while.
            with contextlib.suppress(Exception):
                queue.close()

    def _take_batch(self, queue: IncomingQueue[_T]) -> None:
        messages = queue.take()
        if len(messages) < _ENOUGH:
            self._stopping.wait(COLLECT)
            messages = queue.take()
        if self._store(queue, [one for message in messages for one in message]):
            queue.done()

    def _store(self, queue: IncomingQueue[_T], incoming: list[_T]) -> bool:
        """Store a batch, waiting for the database as long as needed. Returns False if stopped before that."""
        tries = 0
        while True:
            try:
                self._store_all(incoming)
            except StoreUnavailableError as error:
                pause = _RETRY_AFTER[min(tries, 2)]
                _log.error(
                    "database unavailable, %d messages wait in the queue renderwatch.%s: %s",
                    len(incoming),
                    self._name,
                    error,
                    extra=event("database_unavailable", work=self._name),
                )
            else:
                return True
            tries += 1
            self._turned_at = time.monotonic()
            queue.keep_alive()
            if self._stopping.wait(pause):
                return False


# The consumers of this process; a worker has at most one per queue.
_running: Final[list[QueueConsumer[Any]]] = []


def intake_problem() -> str | None:
    """Return what keeps this process from reading the queues that others send to, if it should."""
    return next(filter(None, (consumer.problem for consumer in _running)), None)


def seconds_still() -> float:
    """Return the seconds since the intake thread of this process last ran; 0 without one."""
    return max((consumer.seconds_still for consumer in _running), default=0.0)
