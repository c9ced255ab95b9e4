"""``/metrics``: the catalogue's metrics with their values from the database, for Prometheus."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from worker import __version__
from worker.domain import metrics as catalogue
from worker.settings import Settings, SettingsError
from worker.store.engine import Database, StoreUnavailableError
from worker.store.monitoring.gauges import Samples, read_database_size, read_samples
from worker.web.api.access import MetricsReader, TheWeb

router = APIRouter()
# Cached, so that several Prometheus servers cost the database no more than one.
_KEPT: Final = 5.0
_SIZE_KEPT: Final = 300.0
# How long a scrape waits for another one that hangs; the database has a time-out too.
_PATIENCE: Final = 5.0
_INFINITY: Final = "+Inf"


class DatabaseCollector(Collector):
    """Reads all metrics at once, and caches them for some seconds. Thread-safe."""

    def __init__(self, database: Database, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        """Read nothing yet."""
        self._database = database
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._samples: Samples = {}
        self._read_at = -_KEPT
        self._size: tuple[float, int] | None = None

    def collect(self) -> Iterator[Metric]:
        """Yield each metric of the catalogue that has samples."""
        samples = self._current()
        for metric in catalogue.CATALOGUE:
            if metric.name in samples:
                yield _family(metric, samples[metric.name])

    def describe(self) -> Iterator[Metric]:
        """Yield nothing, because registering must not query the database."""
        return iter(())

    def _current(self) -> Samples:
        if not self._lock.acquire(timeout=_PATIENCE):
            return _without_database()
        try:
            if self._clock() - self._read_at >= _KEPT:
                self._samples = self._read()
                self._read_at = self._clock()
            return self._samples
        finally:
            self._lock.release()

    def _read(self) -> Samples:
        started, given = self._clock(), self._settings
        try:
            with self._database.read() as connection:
                samples = read_samples(connection, given.limits, given.accounts.keys(), given.target_detection_delay)
                if self._size is None or started - self._size[0] >= _SIZE_KEPT:
                    self._size = (started, read_database_size(connection))
        except StoreUnavailableError:
            return _without_database()
        alone = catalogue.labels()
        samples["database_size_bytes"] = {alone: self._size[1]}
        samples["collection_seconds"] = {alone: self._clock() - started}
        return samples | _without_database() | {"database_up": {alone: 1}}


def _without_database() -> Samples:
    return {"build_info": {catalogue.labels(__version__): 1}, "database_up": {catalogue.labels(): 0}}


def _family(metric: catalogue.Metric, samples: Mapping[str, float]) -> Metric:
    name = f"renderwatch_{metric.name}"
    if metric.type == "histogram":
        family = HistogramMetricFamily(name, metric.help)
        family.add_metric([], _cumulative(metric, samples), samples.get(catalogue.SUM, 0))
        return family
    made = (CounterMetricFamily if metric.type == "counter" else GaugeMetricFamily)(
        name, metric.help, labels=metric.labels
    )
    for values, value in sorted(samples.items()):
        made.add_metric(json.loads(values), value)
    return made


def _cumulative(metric: catalogue.Metric, samples: Mapping[str, float]) -> list[tuple[str, float]]:
    buckets, total = [], 0.0
    for number, bound in enumerate([*map(str, metric.buckets), _INFINITY]):
        total += samples.get(catalogue.labels(str(number)), 0)
        buckets.append((bound, total))
    return buckets


def make_registry(database: Database, settings: Settings) -> CollectorRegistry:
    """Return a registry with only our metrics."""
    registry = CollectorRegistry()
    registry.register(DatabaseCollector(database, settings))
    return registry


def serve_metrics(settings: Settings, database: Database) -> None:
    """Serve the metrics on a port of their own, if the settings name one, until the process ends.

    Raises SettingsError when the port cannot be used.
    """
    if settings.metrics_port is None:
        return
    try:
        start_http_server(settings.metrics_port, settings.web_host, make_registry(database, settings))
    except OSError as error:
        address = f"{settings.web_host}:{settings.metrics_port}"
        raise SettingsError(
            f"{address} cannot be listened on: {error.strerror}; set RENDERWATCH_METRICS_PORT"
        ) from None


@router.get("/metrics", include_in_schema=False)
def metrics(request: Request, _: MetricsReader, web: TheWeb) -> Response:
    """Return the metrics in the format that the scraper prefers: OpenMetrics or Prometheus text."""
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(web.metrics), media_type=content_type)
