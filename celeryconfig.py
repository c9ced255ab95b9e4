"""How we use Celery. The schedule lives in SQL: messages are safe to lose and safe to repeat.

Celery ignores names that it does not know, so a test checks every key here.
"""

from typing import Any, Final

from kombu import Queue
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.amqp_tls import split_tls
from worker.settings import get_settings
from worker.tasks.names import (
    CHECK,
    CHECKS,
    CONFIRM,
    CONFIRMATIONS,
    DELIVER,
    DELIVERIES,
    DISPATCH,
    INTAKE,
    LEARN,
    MAINTENANCE,
    TRACK,
    UPKEEP,
)

_settings = get_settings()
_amqp: Final = _settings.broker.startswith(("amqp", "pyamqp"))
_sentinel: Final = _settings.broker.startswith("sentinel")
_redis: Final = _settings.broker.startswith("redis") or _sentinel
_LONGEST_TASK: Final = _settings.lease_seconds + 60  # work done after the lease is useless

# --- broker ---------------------------------------------------------------------------------------------------------
# All three, because Celery prefers the variable CELERY_BROKER_URL to broker_url, and our settings normalize it:
# Valkey URLs are translated, and certificates are verified.
broker_url = broker_read_url = broker_write_url = _settings.broker
broker_use_ssl: dict[str, Any] | bool = False  # Redis takes it from the URL
if _settings.broker.startswith("amqps"):
    broker_url, broker_use_ssl = split_tls(_settings.broker)
    broker_read_url = broker_write_url = broker_url
broker_connection_retry_on_startup = True
broker_connection_max_retries = None  # keep trying until the broker is back
broker_channel_error_retry = True  # a Redis without memory refuses even acknowledgements, which must not end the worker
broker_connection_timeout = 5
broker_heartbeat = 30


def _transport_options() -> dict[str, Any]:
    if _amqp:
        return {"confirm_publish": True}
    if _redis:
        return {
            # Without these, a half-open connection is never detected.
            "socket_timeout": 5,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 10,
            # When a message taken by a dead worker is redelivered.
            "visibility_timeout": max(600, 2 * _LONGEST_TASK),
        }
    return {}


def _sentinel_options() -> dict[str, Any]:
    """Return additional options for Sentinel.

    Skip a Sentinel that hangs at once, because there are others: redis-py would retry it for over a minute.
    """
    if not _sentinel:
        return {}
    given = _settings.broker_transport_options.get("sentinel_kwargs", {})
    hurry = {"socket_timeout": 1, "socket_connect_timeout": 1, "retry": Retry(NoBackoff(), 0)}
    return {"master_name": "mymaster"} | _settings.broker_transport_options | {"sentinel_kwargs": hurry | given}


broker_transport_options = _transport_options() | _settings.broker_transport_options | _sentinel_options()

# --- messages -------------------------------------------------------------------------------------------------------
task_serializer = "json"
accept_content = ["json"]
enable_utc = True
timezone = "UTC"

_arguments = {"x-queue-type": "quorum"} if _amqp else None
task_queues = [
    # Declared as any Celery client declares it by default, because RabbitMQ refuses a differing second declaration, and
    # other services know only the broker's URL. Its type is the virtual host's default.
    Queue(INTAKE, routing_key=INTAKE),
    Queue(CONFIRMATIONS, routing_key=CONFIRMATIONS),  # and here Celery itself, for the consumers of events
    *(Queue(name, routing_key=name, queue_arguments=_arguments) for name in (CHECKS, DELIVERIES, UPKEEP)),
]
task_default_queue = UPKEEP
# Queues of other applications to which we publish events are declared with Celery's defaults.
task_create_missing_queues = True
task_create_missing_queue_type = "classic"
task_routes = {
    TRACK: {"queue": INTAKE},
    DISPATCH: {"queue": UPKEEP},
    CHECK: {"queue": CHECKS},
    DELIVER: {"queue": DELIVERIES},
    CONFIRM: {"queue": CONFIRMATIONS},
    LEARN: {"queue": UPKEEP},
    MAINTENANCE: {"queue": UPKEEP},
}

# --- tasks ----------------------------------------------------------------------------------------------------------
# The first of these imports the tasks, only in workers.
imports = ("worker.tasks.processes.startup", "worker.tasks.processes.watchdog")
task_ignore_result = True
task_acks_late = True
task_reject_on_worker_lost = True
task_time_limit = _LONGEST_TASK
task_soft_time_limit = _settings.lease_seconds + 30
# One immediate retry: beat and dispatch repeat anyway. But without a retry, beat's producer does not get a new channel
# when RabbitMQ has closed its connection, and every later publish fails.
task_publish_retry = True
task_publish_retry_policy = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2}

# --- workers --------------------------------------------------------------------------------------------------------
worker_prefetch_multiplier = 1
worker_soft_shutdown_timeout = 30  # long enough to finish a batch
worker_cancel_long_running_tasks_on_connection_loss = False  # our tasks may continue: leases in SQL fence their effects
worker_consumer = "worker.tasks.consumer:Consumer"
worker_hijack_root_logger = True
worker_log_format = "%(asctime)s %(levelname)s %(name)s: %(message)s"
worker_task_log_format = "%(asctime)s %(levelname)s %(task_name)s: %(message)s"
worker_redirect_stdouts = False

# --- beat -----------------------------------------------------------------------------------------------------------
# It keeps no state between runs: SQL knows what is due.
beat_scheduler = "worker.tasks.scheduler:Scheduler"
beat_max_loop_interval = 1
# Seconds until an unread message expires. Generous, because hosts' clocks differ.
_EXPIRES: Final = 300
beat_schedule = {
    "dispatch": {"task": DISPATCH, "schedule": _settings.dispatch_every, "options": {"expires": _EXPIRES}},
    "deliver": {"task": DELIVER, "schedule": _settings.sweep_every, "options": {"expires": _EXPIRES}},
    "upkeep": {"task": MAINTENANCE, "schedule": _settings.upkeep_every, "options": {"expires": _EXPIRES}},
    "learn": {"task": LEARN, "schedule": _settings.learn_every, "options": {"expires": _EXPIRES}},
}
