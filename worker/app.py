"""The Celery application: ``celery -A worker.app worker`` and ``celery -A worker.app beat``."""

import importlib.util
import logging
import re
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from amqp.exceptions import AccessRefused, NotAllowed
from celery import Celery, current_task
from celery.exceptions import DuplicateNodenameWarning
from celery.loaders.app import AppLoader
from celery.signals import after_setup_logger, after_setup_task_logger
from kombu.exceptions import KombuError

from worker.json_logs import use_json, wants_json
from worker.settings import SettingsError, get_settings

try:
    get_settings()
except SettingsError as error:
    # Celery would print a traceback for what is one wrong setting.
    raise SystemExit(f"renderwatch: {error}") from None


class _Loader(AppLoader):
    """Imports only from the import path: Celery would look in the user's current folder first."""

    def import_from_cwd(self, module: str, imp: Any = None, package: str | None = None) -> Any:  # noqa: ANN401  as Celery's
        return (imp or self.import_module)(module, package=package)


def _register_configuration() -> None:
    """Make celeryconfig.py importable as worker.celeryconfig.

    A wheel has it there. In a checkout it is beside the package, where its plain name could clash with another file.
    """
    if importlib.util.find_spec("worker.celeryconfig"):
        return
    path = Path(__file__).parents[1] / "celeryconfig.py"
    spec = importlib.util.spec_from_file_location("worker.celeryconfig", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)


_register_configuration()
app = Celery("renderwatch", loader=_Loader)
app.config_from_object("worker.celeryconfig")

# Celery logs this warning at every loss of the broker, and warnings filters do not suppress it. What happens to running
# tasks is set in celeryconfig.py.
_DECIDED: Final = "In Celery 5.1 we introduced"

# These log every message sent, received and finished: several lines a second on an idle system. Our tasks log their
# own outcomes, including a request that returns to its queue.
_TALKATIVE: Final = {
    "celery.beat": logging.WARNING,
    "celery.worker.strategy": logging.WARNING,
    "celery.app.trace": logging.ERROR,
}


# Celery logs this with a stack for every message that the broker refuses; our scheduler says it once.
_REFUSED: Final = "Message Error"


@after_setup_logger.connect
def _one_line_for_each_outcome(loglevel: int, **_: object) -> None:
    """Quieten Celery's loggers unless the level is DEBUG, because our tasks log their own outcomes."""
    logging.getLogger("celery.beat").addFilter(lambda record: not str(record.msg).startswith(_REFUSED))
    logging.getLogger("py.warnings").addFilter(lambda record: _DECIDED not in record.getMessage())
    for name, level in _TALKATIVE.items():
        logging.getLogger(name).setLevel(loglevel if loglevel <= logging.DEBUG else max(loglevel, level))


_REFUSALS: Final = (AccessRefused, NotAllowed)


def _running_task() -> dict[str, str]:
    return {"task": current_task.name, "task_id": current_task.request.id or ""} if current_task else {}


@after_setup_logger.connect
@after_setup_task_logger.connect
def _json_if_wanted(logger: logging.Logger, **_: object) -> None:
    """Write JSON with the current task if RENDERWATCH_LOG_FORMAT asks for it."""
    if wants_json(get_settings().log_format):
        use_json(logger, _running_task)


def broker_problem() -> str | None:
    """Return why the broker cannot be reached, in one line without the password; None if it responds."""
    error = _connection_error()
    return _first_line(error) if error else None


def broker_refusal() -> str | None:
    """Return why RabbitMQ refuses our user or virtual host, in one line; None for errors that may pass."""
    error = _connection_error() if get_settings().broker.startswith(("amqp", "pyamqp")) else None
    return _first_line(error) if isinstance(error, _REFUSALS) else None


def _connection_error() -> Exception | None:
    with app.connection_for_write() as connection:
        theirs = (*connection.connection_errors, *connection.channel_errors)
        errors: tuple[type[BaseException], ...] = (OSError, KombuError, *theirs)
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, reraise_as_library_errors=False)
        except errors as error:
            return error if isinstance(error, Exception) else None
    return None


def _first_line(error: Exception) -> str:
    # py-amqp puts the class and method of a missing reply before it, and redis-py appends all of a pool's settings.
    line = str(error).strip().partition("\n")[0].removeprefix("(0, 0): ")
    return re.split(r"\s*:\s*<?[Rr]edis", line)[0] or type(error).__name__


_TASKS: Final = frozenset(app.conf.task_routes)
# The queues that Celery's consumer reads; what others send has its own consumers.
QUEUES: Final = frozenset(route["queue"] for route in app.conf.task_routes.values()) - {
    "renderwatch.intake",
    "renderwatch.confirmations",
}


class BrokerRefusedError(Exception):
    """The broker can be reached but refuses messages, such as a Redis without memory."""


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers that responded on our broker: the number of ours, and of those of other applications.

    ``unread`` are our queues that none of them reads; empty if a worker did not report its queues.
    ``taken`` are our queues that workers of other applications consume, with the names of these workers.
    """

    ours: int
    foreign: int
    unread: frozenset[str]
    taken: Mapping[str, str]


def find_workers() -> Workers:
    """Ping the workers on the broker, for two seconds. Ours know our tasks; others may share the broker.

    Raises BrokerRefusedError if the broker can be reached but refuses the message.
    """
    with app.connection_for_write() as connection:
        refusals = (*connection.connection_errors, *connection.channel_errors)
    try:
        with warnings.catch_warnings():
            # Two workers of another application may have the same name.
            warnings.simplefilter("ignore", DuplicateNodenameWarning)
            return _find_workers()
    except refusals as error:
        raise BrokerRefusedError(str(error).partition("\n")[0]) from error


def _find_workers() -> Workers:
    registered = app.control.inspect(timeout=2.0).registered() or {}
    ours = [name for name, tasks in registered.items() if not _TASKS.isdisjoint(tasks)]
    asked = app.control.inspect(timeout=2.0, limit=len(registered)) if registered else None
    answers = (asked and asked.active_queues()) or {}
    read = {name: {str(queue["name"]) for queue in queues} for name, queues in answers.items()}
    unread = QUEUES.difference(*(read[name] for name in ours if name in read)) if read.keys() >= set(ours) else set()
    taken = {
        queue: name for name in read.keys() - set(ours) for queue in read[name] & (QUEUES | {"renderwatch.intake"})
    }
    return Workers(len(ours), len(registered) - len(ours), frozenset(unread), taken)
