"""The start-up of worker and beat: refuse an unusable database or broker, and log what is used.

Both get the hardened transports. The worker also loads its tasks and its intake consumer; beat sends by
name, and would only waste memory on imports.
"""

import gc
import logging
import resource
from importlib import import_module
from typing import Any, Final

from celery.signals import (
    beat_init,
    celeryd_after_setup,
    celeryd_init,
    worker_before_create_process,
    worker_init,
    worker_process_shutdown,
    worker_ready,
)

from worker import __version__, traces
from worker.app import app, broker_refusal
from worker.domain.log_events import event
from worker.health.process_heartbeat import Role
from worker.settings import get_settings
from worker.settings.urls import sends_key_unencrypted
from worker.startup_summary import summarize
from worker.tasks.brokers import amqp_properties, compression, redis_transport
from worker.tasks.processes import start_checks
from worker.tasks.resources import database

redis_transport.register()
amqp_properties.register()
compression.register()
_log: Final = logging.getLogger("renderwatch")
# For a batch's connections: the usual soft limit of 1,024 leaves no room for anything else.
_FILES: Final = 4096
_TASKS: Final = ("track", "dispatch", "check", "deliver", "confirm", "learn_durations", "maintenance")
logging.getLogger("alembic").setLevel(logging.WARNING)


@celeryd_init.connect
def _load_tasks(**_: Any) -> None:  # noqa: ANN401  Celery's signals
    """Import what only a worker needs before its children are forked, so that they share the memory."""
    try:
        from worker.tasks.intake.bootstep import IntakeStep  # noqa: PLC0415  as said
        from worker.tasks.processes import remote_control  # noqa: PLC0415  as said

        for name in _TASKS:
            import_module(f"worker.tasks.{name}")
    except ImportError as error:
        # Celery would log it and go on: a worker without tasks, which rejects every message.
        raise SystemExit(f"renderwatch: {error}; install Renderwatch again, with all that it depends on") from error
    remote_control.register()
    app.steps["worker"].add(IntakeStep)


@worker_before_create_process.connect
def _share_memory(**_: Any) -> None:  # noqa: ANN401  as above
    """Prevent garbage collection from writing to memory that the children share with their parent."""
    gc.collect()
    gc.freeze()


@worker_init.connect
def _check_before_worker(**_: Any) -> None:  # noqa: ANN401  Celery's signals
    # Here, because Celery catches SystemExit later.
    _check_broker()
    start_checks.check_database()
    database().close()  # the pool's children are forked from here


@worker_init.connect
def _allow_more_connections(**_: Any) -> None:  # noqa: ANN401  as above
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@worker_process_shutdown.connect
def _send_last_spans(**_: Any) -> None:  # noqa: ANN401  as above
    traces.flush()


@celeryd_after_setup.connect
def _introduce_worker(**_: Any) -> None:  # noqa: ANN401  as above
    _introduce("worker")
    _warn_of_plain_http()
    start_checks.report_database()


@worker_ready.connect
def _watch_in_worker(**_: Any) -> None:  # noqa: ANN401  as above
    from worker.tasks.processes.check_api import check_api  # noqa: PLC0415  as said

    start_checks.run("worker", check_api)


@beat_init.connect
def _start_beat(**_: Any) -> None:  # noqa: ANN401  as above
    _introduce("beat")
    _check_broker()
    start_checks.check_database()
    start_checks.report_database()
    start_checks.run("beat")


def _introduce(role: Role) -> None:
    started = event("process_started", role=role, version=__version__)
    _log.info("%s", summarize(role, get_settings()), extra=started)


def _warn_of_plain_http() -> None:
    url = get_settings().magic_hour_base_url
    if sends_key_unencrypted(url):
        _log.warning(
            "the API keys are sent unencrypted to %s; write https:// in MAGIC_HOUR_BASE_URL",
            url,
            extra=event("api_not_encrypted"),
        )


def _check_broker() -> None:
    """Exit with one line if RabbitMQ refuses the connection: Celery would retry endlessly or print a traceback."""
    if reason := broker_refusal():
        raise SystemExit(f"renderwatch: the broker refuses us: {reason}; correct CELERY_BROKER_URL")
