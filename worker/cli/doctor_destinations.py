"""What doctor says of the queues of Celery destinations: whether anybody reads them, and knows the task."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from worker.domain.deliveries.celery_destination import DEFAULT_QUEUE, CeleryDestination
from worker.domain.deliveries.destination import DestinationError, parse_destination, routed_destinations
from worker.formatting import counted
from worker.settings import Settings
from worker.store.deliveries.destination_report import read_destinations
from worker.store.engine import Database, DatabaseError, StoreUnavailableError
from worker.store.schema import SchemaError, check

if TYPE_CHECKING:
    from worker.delivery.queue_status import QueueStatus

Said = tuple[str, Literal["ok", "warning"], str, str]


def examine_destinations(settings: Settings) -> Iterator[Said]:
    """Yield what is found about each Celery destination: its name, the result, a sentence, and how to fix it.

    Those of the routes, and those for which events wait.
    """
    from worker.app import app  # noqa: PLC0415  importing Celery takes half a second
    from worker.delivery.named_brokers import NamedBrokers  # noqa: PLC0415  as above
    from worker.delivery.queue_status import read_queues  # noqa: PLC0415  as above

    targets = {name: target for name in _names(settings) if (target := _celery(name))}
    if not targets:
        return
    brokers = NamedBrokers(app, settings.brokers)
    for broker in sorted({target.broker or "" for target in targets.values()}):
        own = {name: target for name, target in targets.items() if (target.broker or "") == broker}
        try:
            client = brokers.of(next(iter(own.values())))
            queues = read_queues(client, {target.queue or DEFAULT_QUEUE for target in own.values()})
        except Exception as error:  # noqa: BLE001  whatever a broker's client raises
            said = str(error).partition("\n")[0] or type(error).__name__
            yield f"broker {broker}", "warning", said, "start it, or correct its URL in RENDERWATCH_BROKERS"
            continue
        yield from (_said(name, target, queues) for name, target in sorted(own.items()))


def _said(name: str, target: CeleryDestination, queues: Mapping[str, "QueueStatus"]) -> Said:
    queue = target.queue or DEFAULT_QUEUE
    detail, fix = _judge(queue, target.task, queues[queue])
    return f"destination {name}", "warning" if fix else "ok", detail, fix


def _judge(queue: str, task: str, status: "QueueStatus") -> tuple[str, str]:
    """Return a sentence about a destination's queue, and how to fix it; nothing to fix: an empty text."""
    start = f"start its application's worker with -Q {queue}, or correct the route"
    if status.messages is None:
        return f"its queue {queue!r} does not exist, so nobody consumes it", start
    waiting = f"{counted(status.messages, 'message')} in queue {queue!r}"
    if status.consumers == 0:
        return f"nobody consumes its queue: {waiting}", start
    if lacking := status.lacks(task):
        said = f"{lacking[0]}, which reads queue {queue!r}, does not know the task {task!r} and drops its events"
        return f"{said}; {waiting}", "correct the route, or start a worker that has the task"
    if status.consumers is None and not status.workers:
        said = f"no worker that answers reads its queue: {waiting}"
        return f"{said} (Redis does not know consumers, and workers with remote control off do not answer)", start
    consumers = len(status.workers) if status.consumers is None else status.consumers
    return f"{waiting}, {counted(consumers, 'consumer')}", ""


def _names(settings: Settings) -> set[str]:
    """Return the destinations of the routes, and those for which events wait, if the database can be read."""
    names = routed_destinations(settings.routes)
    database = Database(settings.database)
    try:
        with database.read() as connection:
            check(connection)
            rows = read_destinations(connection)
        return names | {row["name"] for row in rows if row["waiting"] or row["unconfirmed"]}
    except (StoreUnavailableError, DatabaseError, SchemaError):
        return names  # the part about the database reports it
    finally:
        database.close()


def _celery(name: str) -> CeleryDestination | None:
    try:
        target = parse_destination(name)
    except DestinationError:
        return None
    return target if isinstance(target, CeleryDestination) else None
