"""The catalogue of metrics: names, labels and meanings. Used by /metrics, docs/metrics.md and tests."""

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

MetricType = Literal["counter", "gauge", "histogram"]

# Upper bounds in seconds. The target delay is 5 s; API latency is at most the request time-out.
DELAY_BUCKETS: Final = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0)
LATENCY_BUCKETS: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0)
OTHER: Final = "other"
WEBHOOKS_RECEIVED: Final = "webhooks_received"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric, without the prefix ``renderwatch_`` and, if it is a counter, without the suffix ``_total``."""

    name: str
    type: MetricType
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def full_name(self) -> str:
        """The name in Prometheus."""
        return f"renderwatch_{self.name}" + ("_total" if self.type == "counter" else "")


CATALOGUE: Final = (
    Metric("build_info", "gauge", "Always 1; the label is the version of the web process", ("version",)),
    Metric("database_up", "gauge", "1 if the database could be read; 0 if not, and then the metrics below are missing"),
    Metric("collection_seconds", "gauge", "Seconds it took to read the metrics from the database"),
    Metric("database_size_bytes", "gauge", "Size of the database on disk"),
    Metric("finding", "gauge", "1 while something is wrong, as in renderwatch doctor", ("code", "severity", "account")),
    Metric("projects_open", "gauge", "Projects whose tracking has not ended", ("kind", "state")),
    Metric("projects_due", "gauge", "Projects whose next check is due, including those being checked", ("account",)),
    Metric("projects_stalled", "gauge", "Open projects that were reported as stalled"),
    Metric("oldest_due_seconds", "gauge", "How long the longest-waiting project has been due", ("account",)),
    Metric("checks_in_flight", "gauge", "Projects that are dispatched or being checked", ("account",)),
    Metric("checks_waiting", "gauge", "Projects that are dispatched but whose batch no worker has started"),
    Metric("request_limit_per_second", "gauge", "Requests per second that an account may send now", ("account",)),
    Metric("account_paused", "gauge", "1 while an account is paused; absent otherwise", ("account", "reason")),
    Metric("deliveries_pending", "gauge", "Deliveries not yet made"),
    Metric("deliveries_unconfirmed", "gauge", "Deliveries that were sent and are not yet confirmed"),
    Metric("destinations_paused", "gauge", "Destinations that an operator paused"),
    Metric("destinations_failing", "gauge", "Destinations whose circuit is open, with one attempt at a time"),
    Metric("deliveries_dead", "gauge", "Dead deliveries that were not replayed"),
    Metric("oldest_pending_delivery_seconds", "gauge", "Age of the oldest delivery not yet made"),
    Metric("last_dispatch_timestamp_seconds", "gauge", "When dispatch last ran, as Unix time"),
    Metric("last_check_timestamp_seconds", "gauge", "When a batch of checks was last recorded, as Unix time"),
    Metric("invariant_violations", "gauge", "Violations of invariants that the daily scan of all projects has found"),
    Metric("last_invariant_scan_timestamp_seconds", "gauge", "When that scan last ended, as Unix time; absent before"),
    Metric(
        WEBHOOKS_RECEIVED,
        "counter",
        "Webhooks of Magic Hour: accepted (the project became due), repeated (nothing new), unknown or tracked (the"
        " project was not tracked), other (not about a project), unreadable, refused (a wrong signature or time)",
        ("account", "outcome"),
    ),
    Metric("track_requests_waiting", "gauge", "Tracking requests sent in SQL that wait to be taken in, at most 10,000"),
    Metric("projects_tracked", "counter", "Projects that were tracked for the first time", ("kind",)),
    Metric(
        "projects_closed",
        "counter",
        "Projects that were closed, except untracked ones",
        ("kind", "reason"),
    ),
    Metric("requests_rejected", "counter", "Tracking requests from the queue, or sent in SQL, that were rejected"),
    Metric("checks", "counter", "Checks that were recorded, by outcome", ("outcome",)),
    Metric("requests", "counter", "Requests sent to Magic Hour for checks", ("account",)),
    Metric("stale_answers", "counter", "Responses that came after their lease had ended and were dropped"),
    Metric("leases_expired", "counter", "Batches whose lease ended before their answers were recorded"),
    Metric("transitions", "counter", "Observed changes of status", ("kind", "status")),
    Metric("credits", "counter", "Credits charged to and refunded from ledgers", ("reason", "direction")),
    Metric("events", "counter", "Events that were stored", ("type",)),
    Metric("confirmations", "counter", "Consumers' reports on deliveries, by outcome", ("outcome",)),
    Metric("deliveries", "counter", "Attempts to deliver an event, by outcome", ("destination", "outcome")),
    Metric("unknown_values", "counter", "Values from the API that Renderwatch does not recognize", ("field",)),
    Metric(
        "detection_delay_seconds",
        "histogram",
        "Estimated time between the end of a render and the check that detected it",
        (),
        DELAY_BUCKETS,
    ),
    Metric("api_request_duration_seconds", "histogram", "Duration of requests to Magic Hour", (), LATENCY_BUCKETS),
)

# Counts by name and key: a counter's labels as JSON, or the number of a histogram's bucket.
Totals = Counter[tuple[str, str]]
NO_TOTALS: Final[Totals] = Counter()
SUM: Final = '["sum"]'


@lru_cache(maxsize=4096)
def labels(*values: str) -> str:
    """Return label values as the key of a count."""
    return json.dumps(values)


def observe(totals: Totals, name: str, buckets: Sequence[float], seconds: float) -> None:
    """Count a duration in its bucket, and add it to the sum in milliseconds."""
    totals[name, labels(str(bisect_left(buckets, seconds)))] += 1
    totals[name, SUM] += round(seconds * 1000)
