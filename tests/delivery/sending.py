"""Sending one event to a URL, as a test needs it."""

from collections.abc import Mapping, Sequence
from typing import Any

from worker.delivery.http_client import HttpClient
from worker.delivery.webhook import Webhooks
from worker.domain.deliveries.attempt import Attempt
from worker.domain.deliveries.failure import DeliveryError
from worker.domain.deliveries.webhook_url import WebhookUrl


def attempt_webhook(
    client: HttpClient, url: WebhookUrl, secrets: Sequence[str], message_id: str, payload: Mapping[str, Any]
) -> Attempt:
    """Send an event, signed by these secrets, and return what came of it."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    webhooks = Webhooks(client, {f"{url.scheme}://{host}:{url.port}": secrets}, allow_http=True)
    return webhooks.send(url, message_id, payload)


def send_webhook(
    client: HttpClient, url: WebhookUrl, secrets: Sequence[str], message_id: str, payload: Mapping[str, Any]
) -> int:
    """Send an event, signed by these secrets, and return the status, a 2xx. Raises DeliveryError."""
    attempt = attempt_webhook(client, url, secrets, message_id, payload)
    if attempt.error:
        raise attempt.error
    assert attempt.status is not None
    return attempt.status


def why_refused(error: Exception | None) -> str:
    """Return the reason that is kept with a delivery."""
    assert isinstance(error, DeliveryError)
    assert "whsec_" not in str(error)
    return str(error)
