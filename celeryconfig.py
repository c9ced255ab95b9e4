"""How we use Celery. The schedule lives in SQL: messages are safe to lose and safe to repeat.

Celery ignores names that it does not know, so a test checks every key here.
"""

from typing import Any, Final

from kombu import Queue

from worker.settings import get_settings
from worker.tasks.names import CHECK, CHECKS, DELIVER, DELIVERIES, DISPATCH, INTAKE, KEEP_UP, LEARN, TRACK, UPKEEP

_settings = get_settings()
_amqp: Final = _settings.broker.startswith(("amqp", "pyamqp"))
_redis: Final = _settings.broker.startswith("redis")
_LONGEST_TASK: Final = _settings.lease_seconds + 60  # nothing a task does after its lease is of use

# --- broker ---------------------------------------------------------------------------------------------------------
broker_url = _settings.broker
broker_connection_retry_on_startup = True
broker_connection_max_retries = None  # forever: a broker that comes back finds us waiting
broker_channel_error_retry = True  # a Redis without memory refuses even acknowledgements: no reason to end
broker_connection_timeout = 5
broker_heartbeat = 30


def _transport_options() -> dict[str, Any]:
    if _amqp:
        return {"confirm_publish": True}
    if _redis:
        return {
            # Without these a half-open connection is never noticed.
            "socket_timeout": 5,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 10,
            # When a message that a dead worker took is given to another one.
            "visibility_timeout": max(600, 2 * _LONGEST_TASK),
        }
    return {}


broker_transport_options = _transport_options() | _settings.broker_transport_options

# --- messages -------------------------------------------------------------------------------------------------------
task_serializer = "json"
accept_content = ["json"]
enable_utc = True
timezone = "UTC"

_arguments = {"x-queue-type": "quorum"} if _amqp else None
task_queues = [
    # Declared as every Celery client declares it by itself, for RabbitMQ refuses a second declaration that differs:
    # other services send here with nothing but the broker's URL. Its type is the virtual host's default.
    Queue(INTAKE, routing_key=INTAKE),
    *(Queue(name, routing_key=name, queue_arguments=_arguments) for name in (CHECKS, DELIVERIES, UPKEEP)),
]
task_default_queue = UPKEEP
# Queues of other applications, that we send news to: declared as Celery declares them by itself.
task_create_missing_queues = True
task_create_missing_queue_type = "classic"
task_routes = {
    TRACK: {"queue": INTAKE},
    DISPATCH: {"queue": UPKEEP},
    CHECK: {"queue": CHECKS},
    DELIVER: {"queue": DELIVERIES},
    LEARN: {"queue": UPKEEP},
    KEEP_UP: {"queue": UPKEEP},
}

# --- tasks ----------------------------------------------------------------------------------------------------------
imports = (
    "worker.tasks.track",
    "worker.tasks.dispatch",
    "worker.tasks.check",
    "worker.tasks.deliver",
    "worker.tasks.learn",
    "worker.tasks.upkeep",
)
task_ignore_result = True
task_acks_late = True
task_reject_on_worker_lost = True
task_time_limit = _LONGEST_TASK
task_soft_time_limit = _settings.lease_seconds + 30
# Once, at once: beat and dispatch come again by themselves. But without it nobody gives beat's producer a new channel
# when RabbitMQ has closed its connection, and it fails for ever.
task_publish_retry = True
task_publish_retry_policy = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2}

# --- workers --------------------------------------------------------------------------------------------------------
worker_prefetch_multiplier = 1
worker_soft_shutdown_timeout = 30  # long enough to finish a batch
worker_cancel_long_running_tasks_on_connection_loss = False  # our tasks may go on: what they do is fenced in SQL
worker_consumer = "worker.tasks.consumer:Consumer"
worker_hijack_root_logger = True
worker_log_format = "%(asctime)s %(levelname)s %(name)s: %(message)s"
worker_task_log_format = "%(asctime)s %(levelname)s %(task_name)s: %(message)s"
worker_redirect_stdouts = False

# --- beat -----------------------------------------------------------------------------------------------------------
# It remembers nothing between runs: what is due is known to SQL alone.
beat_scheduler = "worker.tasks.scheduler:Scheduler"
beat_max_loop_interval = 1
# A tick that nobody took for so long is of no use to anybody. Generous, because hosts' clocks differ.
_EXPIRES: Final = 300
beat_schedule = {
    "dispatch": {"task": DISPATCH, "schedule": _settings.dispatch_every, "options": {"expires": _EXPIRES}},
    "deliver": {"task": DELIVER, "schedule": _settings.sweep_every, "options": {"expires": _EXPIRES}},
    "upkeep": {"task": KEEP_UP, "schedule": _settings.upkeep_every, "options": {"expires": _EXPIRES}},
    "learn": {"task": LEARN, "schedule": _settings.learn_every, "options": {"expires": _EXPIRES}},
}
