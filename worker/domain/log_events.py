"""The catalogue of log events: their names, levels and fields. Used by log calls, docs/logs.md and tests."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class LogEvent:
    """A kind of event that is logged."""

    name: str
    levels: str
    help: str
    fields: tuple[str, ...] = ()


CATALOGUE: Final = (
    LogEvent("process_started", "INFO", "A worker, beat or web process started", ("role", "version")),
    LogEvent("api_not_encrypted", "WARNING", "MAGIC_HOUR_BASE_URL is plain HTTP to a host that is not private"),
    LogEvent(
        "requests_tracked",
        "INFO",
        "Tracking requests from the queue, or sent in SQL, were stored",
        ("new", "known", "reopened", "completed", "rejected"),
    ),
    LogEvent(
        "project_parts_added",
        "INFO",
        "A second request added what the first one lacked",
        ("kind", "project_id", "parts"),
    ),
    LogEvent(
        "project_parts_ignored",
        "INFO",
        "A second request differed from the first one, which was kept",
        ("kind", "project_id", "parts"),
    ),
    LogEvent("request_rejected", "WARNING", "A message or a tracking request was rejected and kept", ("reason",)),
    LogEvent(
        "requests_rejected",
        "WARNING",
        "The number of requests rejected together, and the command that lists them",
        ("rejected",),
    ),
    LogEvent("request_failed", "ERROR", "A tracking request failed because of a bug, and was kept", ()),
    LogEvent(
        "track_request_waits",
        "WARNING",
        "A tracking request sent in SQL waits: its project is locked",
        ("row",),
    ),
    LogEvent("account_without_key", "WARNING", "Projects were tracked for an account without an API key", ("account",)),
    LogEvent(
        "messages_returned", "WARNING", "Messages held by a lost worker were returned to the queue", ("messages",)
    ),
    LogEvent(
        "deliveries_confirmed",
        "INFO, WARNING",
        "Consumers reported that their tasks for events ended; WARNING if one failed or a report was forged",
        ("confirmed", "failed", "dead", "repeated", "rejected"),
    ),
    LogEvent("confirmations_failed", "ERROR", "A batch of confirmations could not be stored", ("confirmations",)),
    LogEvent("dispatched", "INFO", "Due projects were claimed and sent to workers", ("projects",)),
    LogEvent(
        "clock_set_back", "WARNING", "The database's clock was set back, and the schedule was adjusted", ("seconds",)
    ),
    LogEvent(
        "batch_checked",
        "INFO, WARNING",
        "A batch was checked and recorded; WARNING if a check failed",
        ("batch", "checked", "changed", "lost", "failures"),
    ),
    LogEvent("batch_skipped", "INFO", "A batch arrived after its lease had ended, or twice", ("batch",)),
    LogEvent(
        "check_failed",
        "WARNING",
        "Checks of a batch failed for the same reason",
        ("account", "batch", "failure", "projects", "count"),
    ),
    LogEvent(
        "check_failures_omitted",
        "WARNING",
        "A batch failed for more reasons than are logged",
        ("account", "batch", "count"),
    ),
    LogEvent(
        "deliveries_made",
        "INFO, WARNING",
        "Deliveries were attempted; WARNING if one failed",
        ("sent", "failed", "dead"),
    ),
    LogEvent("durations_learned", "INFO", "Render durations were learned from finished projects", ("types",)),
    LogEvent("maintenance_done", "INFO", "Maintenance ran", ("days_closed", "retired")),
    LogEvent("balance_unknown", "WARNING", "An account's balance could not be read or stored", ()),
    LogEvent("step_failed", "ERROR", "A step failed; the others continued", ("step", "reason")),
    LogEvent(
        "database_unavailable",
        "ERROR, WARNING",
        "The database was unavailable; the work will be done later",
        ("work", "batch"),
    ),
    LogEvent("database_available", "INFO", "The database, unavailable at start-up, is available now", ("role",)),
    LogEvent(
        "api_not_recognized",
        "WARNING",
        "At start-up, the server at MAGIC_HOUR_BASE_URL did not look like the Magic Hour API",
        ("account",),
    ),
    LogEvent(
        "broker_unavailable", "ERROR, WARNING", "The broker was unavailable; the work will be done later", ("work",)
    ),
    LogEvent("broker_message_unreadable", "DEBUG", "A message is not a Celery message; it was rejected and kept", ()),
    LogEvent("control_message_dropped", "WARNING", "A control message on the broker could not be read", ()),
    LogEvent("progress_stopped", "ERROR", "The watchdog found that work has stopped", ("finding",)),
    LogEvent("progress_resumed", "INFO", "Work that had stopped has resumed", ("finding",)),
    LogEvent("process_stuck", "CRITICAL", "The watchdog ends this process so that it is restarted", ("role",)),
    LogEvent("broker_refuses", "ERROR", "Beat cannot send to the broker; logged once, until it can again", ()),
    LogEvent("broker_accepts", "WARNING", "Beat can send to the broker again", ()),
    LogEvent(
        "heartbeat_not_written", "WARNING", "The state folder is not writable; renderwatch health cannot see it", ()
    ),
    LogEvent("proxy_not_trusted", "WARNING", "Forwarded headers from an untrusted proxy were ignored", ("address",)),
    LogEvent("changes_not_read", "WARNING, ERROR", "Changes cannot be read; waiting clients receive none", ()),
    LogEvent(
        "rejected_requests_deleted", "WARNING", "The oldest of too many rejected requests were deleted", ("deleted",)
    ),
    LogEvent("invariant_violated", "ERROR", "The daily scan found invalid stored data", ("invariant", "count")),
    LogEvent("traces_not_exported", "WARNING", "OpenTelemetry has no exporter of this name", ("exporter",)),
    LogEvent(
        "request_served",
        "INFO",
        "Web handled a request (RENDERWATCH_WEB_ACCESS_LOG); status 0: the client disconnected first",
        ("method", "path", "status", "seconds", "caller"),
    ),
    LogEvent(
        "webhook_refused",
        "WARNING",
        "A webhook of Magic Hour had a wrong signature or time, or could not be read; logged once a minute and account",
        ("account", "outcome", "reason"),
    ),
    LogEvent("example_event_received", "INFO", "The demo's downstream task received an event", ("kind", "project_id")),
)


def event(name: str, **fields: object) -> dict[str, object]:
    """Return the ``extra`` of a log call: the event's name and its fields."""
    return {"event": name, "fields": fields}
