"""The Celery application: ``celery -A worker.app worker`` and ``celery -A worker.app beat``."""

import logging
import warnings
from typing import Final

from celery import Celery
from celery.exceptions import CPendingDeprecationWarning
from celery.signals import after_setup_logger
from kombu.exceptions import KombuError

from worker.embedded import spool
from worker.settings import SettingsError, get_settings

try:
    get_settings()
except SettingsError as error:
    # Celery would print a traceback; a wrong setting deserves one line.
    raise SystemExit(f"renderwatch: {error}") from None

spool.register()  # the embedded broker of machines without Redis; harmless everywhere else
app = Celery("renderwatch")
app.config_from_object("celeryconfig")

# Said at every loss of the broker: what becomes of running tasks then. celeryconfig.py has decided that.
warnings.filterwarnings("ignore", "\\nIn Celery 5.1 we introduced", CPendingDeprecationWarning)

# They tell of every message sent, received and done with: several lines a second in which nothing happened. Our tasks
# tell what they did, also when a request goes back to its queue.
_TALKATIVE: Final = {
    "celery.beat": logging.WARNING,
    "celery.worker.strategy": logging.WARNING,
    "celery.app.trace": logging.ERROR,
}


@after_setup_logger.connect
def _one_line_for_each_outcome(loglevel: int, **_: object) -> None:
    """Leave it to our tasks to tell what they did, unless somebody wants to see everything."""
    for name, level in _TALKATIVE.items():
        logging.getLogger(name).setLevel(loglevel if loglevel <= logging.DEBUG else max(loglevel, level))


def broker_problem() -> str | None:
    """Return what keeps us from the broker, in one line without the password; None when it answers."""
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, reraise_as_library_errors=True)
    except (OSError, KombuError) as error:
        return str(error).partition("\n")[0]
    return None


def workers_alive() -> int:
    """Count the workers that answer within two seconds."""
    return len(app.control.ping(timeout=2.0) or [])
