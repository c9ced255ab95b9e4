"""What the logs of a chaos run may hold, because the faults cause it. Everything else is an error of ours."""

import re
from typing import Final

from tests.support.judge import IN_CELERY, Allowed

ALLOWED: Final = (
    Allowed(r"WARNING renderwatch: .* does not look like the Magic Hour API", "a worker starts while its URL is wrong"),
    Allowed(
        r"WARNING (renderwatch\.intake|worker\.tasks\.consumer): (rejected: |run renderwatch rejected list)", "poison"
    ),
    Allowed(
        r"(ERROR|WARNING|CRITICAL)(/MainProcess\])? ?(celery|kombu|multiprocessing|consumer)",
        "Celery reports that the broker is gone, or that a process of its pool was killed",
    ),
    Allowed(
        r"MainProcess\] (consumer:|Connection|Frequent restarts|Unrecoverable error|Error on restarting|Couldn't"
        r"|Error cleaning|Task handler|Process '|beat:|Message Error)",
        "the same, in the log format of the application beside ours",
    ),
    Allowed("CPendingDeprecationWarning", "the application beside ours shows Celery's warnings"),
    Allowed(
        r"(renderwatch(\.\w+)?|worker\.tasks\.consumer): database unavailable",
        "the database is locked, restarted or cut off",
    ),
    Allowed(r"worker\.tracking\.check: (check failed account=|and \d+ more reasons)", "the API misbehaves"),
    Allowed(r"renderwatch\.\w+: broker unavailable", "the broker is gone, frozen or full"),
    Allowed(r"worker\.tasks\.scheduler: (no task can be sent|tasks are sent again)", "the broker is gone or full"),
    Allowed(
        r"renderwatch\.intake: (intake|confirmations): the broker cannot be read", "the broker is gone, frozen or full"
    ),
    Allowed(
        r"renderwatch\.intake: (intake|confirmations): returned \d+ messages of lost workers", "a worker was killed"
    ),
    Allowed(r"worker\.tasks\.processes\.watchdog: ", "a part stood still for longer than the watchdog waits"),
    Allowed(r"Substantial drift from", "Celery takes a process that was frozen for one with a wrong clock"),
    Allowed(r"renderwatch\.check: checked=.* problems=", "the API misbehaves"),
    Allowed(r"renderwatch\.deliver: delivered .*failed=", "the broker is gone while events are sent"),
    Allowed(r"renderwatch\.watchdog", "a broker was frozen for longer than the watchdog waits"),
    Allowed(
        r"Traceback.*… (redis|amqp|kombu|billiard|celery)\.[\w.]+", "the libraries show how they lost the connection"
    ),
    Allowed(
        r"Traceback.*… (Connection\w*Error|BrokenPipeError|TimeoutError|OSError|FileNotFoundError)",
        "the same, from the sockets",
    ),
    Allowed(rf"Traceback.*{re.escape(IN_CELERY)}", "the same, where Celery did not expect it"),
    Allowed(r"Error on (stopping|restarting) \w+: AttributeError", "the same, of the application beside ours"),
    Allowed(r"# WARNING", "Redis about the machine that it runs on, and the memory that a fault leaves it"),
)
