"""``renderwatch trigger``: send an example of an event."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import click

from worker.app import app
from worker.cli.context import json_option
from worker.cli.output import print_json
from worker.delivery.celery_task import delivery_task_id, send_to_celery
from worker.delivery.named_brokers import NamedBrokers
from worker.delivery.webhook import make_webhooks
from worker.domain.deliveries.destination import DestinationError, destinations, parse_destination
from worker.domain.deliveries.due import DueDelivery
from worker.domain.deliveries.failure import DeliveryError
from worker.domain.deliveries.route_rule import Subject
from worker.domain.deliveries.webhook_url import WebhookUrl
from worker.domain.intake import bounded_json
from worker.domain.intake.metadata import MetadataError, parse_metadata
from worker.domain.projects.events import EVENT_TYPES, EventType
from worker.domain.projects.example_events import example_payload
from worker.settings import get_settings
from worker.store.ids import new_event_id

# No create call returns an id with a hyphen.
_PROJECT: Final = "example-not-a-project"


@click.command(short_help="Send an example of an event, marked as one.")
@click.argument("event_type", type=click.Choice(EVENT_TYPES))
@click.option(
    "--to",
    "destination",
    help="A destination: celery:task?queue=q or https://host/path. Default: those of the routes.",
)
@click.option("--metadata", default="{}", help="A JSON object: what your consumer looks for in metadata.")
@click.option("--print", "only_print", is_flag=True, help="Print the payload as JSON, alone, and send nothing.")
@json_option
def trigger(event_type: EventType, destination: str | None, metadata: str, *, only_print: bool, as_json: bool) -> None:
    """Send an example of an event to its destinations, once, from here: to test a consumer and its connection.

    \b
    renderwatch trigger project.completed
    renderwatch trigger project.failed --to celery:studio.on_render?queue=studio
    renderwatch trigger project.settled --print > settled.json

    The payload has "example": true and the project "example-not-a-project". It is not stored: no ledger, view,
    count, stream or list of deliveries shows it, it is not tried again, and no confirmation is awaited.
    """
    payload = _payload(event_type, metadata)
    if only_print:
        print_json(payload)
        return
    subject = Subject(payload["kind"], payload["account"], payload["project_type"], payload["metadata"])
    targets = [destination] if destination else destinations(event_type, subject, get_settings().routes, {})
    if not targets:
        raise click.ClickException(
            f"RENDERWATCH_ROUTES sends {event_type} nowhere; name a destination with --to, or run:"
            f" renderwatch routes test --event {event_type}"
        )
    failures = {target: _send(target, payload) for target in targets}
    if as_json:
        sent = [{"destination": target, "error": error} for target, error in failures.items()]
        print_json({"event": payload, "deliveries": sent})
    else:
        click.echo(f"{event_type} {payload['id']}, an example")
        for target, error in failures.items():
            click.echo(f"{target}: failed: {error}" if error else f"{target}: sent", err=bool(error))
    if any(failures.values()):
        raise click.exceptions.Exit(1)


def _payload(event_type: EventType, metadata: str) -> dict[str, Any]:
    try:
        given = parse_metadata(bounded_json.loads(metadata))
    except (ValueError, MetadataError) as error:
        raise click.BadParameter(str(error), param_hint="--metadata") from None
    now = datetime.now(UTC)
    made = example_payload(event_type, new_event_id(), now, project_id=_PROJECT, metadata=given)
    return made | {"example": True}


def _send(destination: str, payload: Mapping[str, Any]) -> str | None:
    """Send an event once. Returns what went wrong."""
    delivery = DueDelivery(0, payload["id"], destination, payload, attempts=1, first_attempt_at=datetime.now(UTC))
    try:
        target = parse_destination(destination)
        if isinstance(target, WebhookUrl):
            return _post(target, payload)
        send_to_celery(NamedBrokers(app, get_settings().brokers).of(target), target, delivery)
    except (DestinationError, DeliveryError) as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  whatever a broker's client raises
        return f"{type(error).__name__}: {error}"
    return None


def _post(url: WebhookUrl, payload: Mapping[str, Any]) -> str | None:
    settings = get_settings()
    webhooks = make_webhooks(
        settings.webhook_secrets,
        allow_http=settings.webhook_allow_http,
        allow_networks=settings.webhook_allow_networks,
        timeout=settings.webhook_timeout,
    )
    attempt = webhooks.send(url, delivery_task_id(payload["id"], str(url)), payload)
    webhooks.close()
    return str(attempt.error) if attempt.error else None
