"""What the settings about webhooks must be like, alone and together."""

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, SecretStr

from worker.domain.deliveries.shown_destination import shown_destination
from worker.domain.deliveries.webhook_secrets import SecretsByUrl, is_webhook_secret
from worker.domain.deliveries.webhook_url import (
    UrlPattern,
    WebhookUrl,
    WebhookUrlError,
    is_webhook,
    parse_url_pattern,
    parse_webhook_url,
    shown,
)
from worker.domain.intake.identifiers import is_account_name

_MOST_SECRETS: Final = 2
# Magic Hour promises no form.
_INCOMING: Final = re.compile(r"[!-~]{8,500}")
_SHAPE: Final = "whsec_ and 24 to 64 random bytes in base64; openssl rand -base64 32 prints some"


def check_webhooks(
    destinations: Iterable[str],
    patterns: Iterable[str],
    secrets: Mapping[str, Sequence[SecretStr]],
    *,
    allow_http: bool,
) -> None:
    """Refuse destinations, and patterns of destinations, that no event could be sent to. Raises ValueError."""
    known = SecretsByUrl(secrets)
    urls: list[tuple[str, WebhookUrl | UrlPattern]] = [
        (str(url), url) for url in map(parse_webhook_url, filter(is_webhook, destinations))
    ]
    urls += [(pattern, parse_url_pattern(pattern)) for pattern in filter(is_webhook, patterns)]
    for name, url in urls:
        if url.scheme == "http" and not allow_http:
            raise ValueError(
                f"{shown_destination(name)} is not encrypted; write https://, or set RENDERWATCH_WEBHOOK_ALLOW_HTTP"
            )
        if known.of(url) is None:
            raise ValueError(f"{shown_destination(name)} has no secret in RENDERWATCH_WEBHOOK_SECRETS")


def _listed(value: object) -> object:
    """Return secrets as lists: where there is one, it may be written without brackets."""
    if not isinstance(value, Mapping):
        return value
    return {key: [each] if isinstance(each, (str, SecretStr)) else each for key, each in value.items()}


def _checked_secrets(value: dict[str, tuple[SecretStr, ...]]) -> dict[str, tuple[SecretStr, ...]]:
    for pattern, secrets in value.items():
        _check(pattern)
        if not 1 <= len(secrets) <= _MOST_SECRETS:
            raise ValueError(f"{pattern} must have one secret, or two while it changes from one to the other")
        if not all(is_webhook_secret(secret.get_secret_value()) for secret in secrets):
            raise ValueError(f"the secret of {pattern} is invalid: {_SHAPE}")
    return value


def _checked_incoming(value: dict[str, tuple[SecretStr, ...]]) -> dict[str, tuple[SecretStr, ...]]:
    for account, secrets in value.items():
        if not is_account_name(account):
            raise ValueError("an account name has 1 to 63 lower-case letters, digits, - and _")
        if not 1 <= len(secrets) <= _MOST_SECRETS:
            raise ValueError(f"{account} must have one secret, or two while it changes from one to the other")
        if not all(_INCOMING.fullmatch(secret.get_secret_value()) for secret in secrets):
            raise ValueError(
                f"the secret of {account} is invalid: copy it whole from Magic Hour's Developer Hub; it has 8 to 500"
                " printable characters and no spaces"
            )
    return value


def _checked_patterns(value: list[str]) -> list[str]:
    for pattern in filter(is_webhook, value):
        _check(pattern)
    return value


def _networks(value: list[str]) -> list[str]:
    return [_network(each.strip()) for each in value]


def _network(text: str) -> str:
    try:
        interface = ipaddress.ip_interface(text)
    except ValueError:
        raise ValueError("write addresses and networks such as 10.0.0.5 or 10.0.0.0/8") from None
    if interface.ip != interface.network.network_address:
        raise ValueError(
            f"{interface} is an address in a network: write {interface.network} for the network, or {interface.ip} for"
            " the address alone"
        )
    return str(interface.network)


def _check(pattern: str) -> None:
    try:
        parse_url_pattern(pattern)
    except WebhookUrlError as error:
        raise ValueError(f"{shown(pattern)}: {error}") from None


Patterns = Annotated[list[str], AfterValidator(_checked_patterns)]
Secrets = Annotated[dict[str, tuple[SecretStr, ...]], BeforeValidator(_listed), AfterValidator(_checked_secrets)]
IncomingSecrets = Annotated[
    dict[str, tuple[SecretStr, ...]], BeforeValidator(_listed), AfterValidator(_checked_incoming)
]
Networks = Annotated[list[str], AfterValidator(_networks)]
