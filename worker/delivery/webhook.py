"""Deliver an event to an HTTPS endpoint, signed as specified by Standard Webhooks."""

import http
import http.client
import ipaddress
import json
import ssl
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import SecretStr
from standardwebhooks import Webhook

from worker import __version__
from worker.delivery.connection import RefusedAddressError
from worker.delivery.http_client import Answer, HttpClient
from worker.delivery.lookups import LookupTimeoutError
from worker.domain.deliveries.attempt import Attempt
from worker.domain.deliveries.failure import DeliveryError
from worker.domain.deliveries.webhook_secrets import SecretsByUrl
from worker.domain.deliveries.webhook_url import WebhookUrl
from worker.domain.remote_text import without_secrets
from worker.domain.scheduling.retry_after import seconds_of

_USER_AGENT: Final = f"renderwatch/{__version__}"
_IDLE_CONNECTIONS: Final = 64
# Retry-After is honored for these statuses only.
_WAITING: Final = frozenset({http.HTTPStatus.TOO_MANY_REQUESTS, http.HTTPStatus.SERVICE_UNAVAILABLE})
# These say something about the event, and that the endpoint is there.
_BLAMING_THE_EVENT: Final = frozenset({400, 409, 410, 413, 422})


class Webhooks:
    """Sends events to URLs. May be used by several threads, but not across a fork.

    ``secrets`` are by pattern of URLs. A URL with several gets a signature by each, so that its consumer can change
    from one to the other.
    """

    def __init__(self, client: HttpClient, secrets: Mapping[str, Sequence[str]], *, allow_http: bool) -> None:
        """Remember the secrets; nothing is connected yet. Raises WebhookUrlError for a pattern that is none."""
        self._client = client
        self._secrets = SecretsByUrl(secrets)
        self._allow_http = allow_http

    def send(
        self, url: WebhookUrl, message_id: str, payload: Mapping[str, Any], trace: Mapping[str, str] | None = None
    ) -> Attempt:
        """Send one event and return what came of it. Raises DeliveryError if it cannot be sent at all.

        ``trace`` are the caller's trace headers. Its baggage is left out: the endpoint may be another company's.
        """
        secrets = self._secrets.of(url)
        # The settings were checked when they were read, but they may have been others when the delivery was stored.
        if url.scheme != "https" and not self._allow_http:
            raise DeliveryError("the URL is not encrypted; RENDERWATCH_WEBHOOK_ALLOW_HTTP=true allows that")
        if not secrets:
            raise DeliveryError("RENDERWATCH_WEBHOOK_SECRETS has no secret for this URL")
        body = json.dumps(payload, separators=(",", ":"))
        trace = {name: value for name, value in (trace or {}).items() if name != "baggage"}
        headers = trace | signed_headers(secrets, message_id, body)
        began = time.monotonic()
        try:
            answer = self._client.post((url.scheme, url.host, url.port), url.path, headers, body.encode())
        except (OSError, http.client.HTTPException) as error:
            return Attempt(DeliveryError(_no_answer(error)), seconds=time.monotonic() - began)
        return Attempt(_refusal(answer), answer.status, time.monotonic() - began)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def make_webhooks(
    secrets: Mapping[str, Sequence[SecretStr]], *, allow_http: bool, allow_networks: Sequence[str], timeout: float
) -> Webhooks:
    """Create a sender from the settings of the same names."""
    client = HttpClient([ipaddress.ip_network(network) for network in allow_networks], timeout, _IDLE_CONNECTIONS)
    plain = {pattern: [secret.get_secret_value() for secret in each] for pattern, each in secrets.items()}
    return Webhooks(client, plain, allow_http=allow_http)


def signed_headers(secrets: Sequence[str], message_id: str, body: str) -> dict[str, str]:
    """Return the headers of a message sent now."""
    now = datetime.now(UTC)
    return {
        "Content-Type": "application/json",
        "User-Agent": _USER_AGENT,
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(message_id, now, body) for secret in secrets),
    }


def _no_answer(error: OSError | http.client.HTTPException) -> str:
    if isinstance(error, RefusedAddressError):
        return str(error)
    if isinstance(error, TimeoutError):
        return f"no answer in time: {error}" if isinstance(error, LookupTimeoutError) else "no answer in time"
    if isinstance(error, ssl.SSLError):
        return _tls_failed(error)
    if isinstance(error, http.client.RemoteDisconnected):
        return "it closed the connection without an answer"
    if isinstance(error, http.client.HTTPException):
        return f"its answer is not HTTP: {without_secrets(str(error)) or type(error).__name__}"
    return f"no connection: {error.strerror or error}"


def _tls_failed(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {error.verify_message}"
    return f"TLS failed: {(error.reason or 'no reason').replace('_', ' ').lower()}"


def _refusal(answer: Answer) -> DeliveryError | None:
    """Return what an answer other than a 2xx means."""
    if http.HTTPStatus.OK <= answer.status < http.HTTPStatus.MULTIPLE_CHOICES:
        return None
    try:
        phrase = f" {http.HTTPStatus(answer.status).phrase}"
    except ValueError:
        phrase = ""
    said = without_secrets(answer.body.decode("utf-8", "replace"))
    redirect = "; redirects are not followed" if answer.status // 100 == http.HTTPStatus.MULTIPLE_CHOICES // 100 else ""
    return DeliveryError(
        f"{answer.status}{phrase}{redirect}{f': {said}' if said else ''}",
        blames_destination=answer.status not in _BLAMING_THE_EVENT,
        retry_after=seconds_of(answer.retry_after, datetime.now(UTC)) if answer.status in _WAITING else None,
        is_final=answer.status == http.HTTPStatus.GONE,
    )
