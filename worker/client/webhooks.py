"""Verifying webhooks, which are signed as specified by Standard Webhooks."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from standardwebhooks import Webhook, WebhookVerificationError

from worker.client.base_errors import InvalidInputError
from worker.client.errors import InvalidSignatureError
from worker.client.events import Event, parse_event

_SECRET: Final = re.compile(r"(whsec_)?[A-Za-z0-9+/]+=*")


def verify_event(headers: Mapping[str, str], body: bytes | str, secret: str | Sequence[str]) -> Event:
    """Return the event of a webhook that was signed with the secret at most five minutes ago.

    ``headers`` and ``body`` are those of the request, the body as it came: not decoded and encoded again. ``secret``
    is the one in RENDERWATCH_WEBHOOK_SECRETS, or the old and the new one while you change it. Raises
    InvalidSignatureError; answer that with 401. Raises InvalidInputError for an invalid secret, and for
    a signed body that is no event.
    """
    secrets = [secret] if isinstance(secret, str) else list(secret)
    if not secrets:
        raise InvalidInputError("give the secret of this webhook, as in RENDERWATCH_WEBHOOK_SECRETS")
    given = {str(name): str(value) for name, value in headers.items()}
    reasons = []
    for verifier in map(_verifier, secrets):
        try:
            payload = verifier.verify(body, given)
        except WebhookVerificationError as error:
            reasons.append(str(error))
        except ValueError:  # the signature header is malformed or the body is not UTF-8, so it is not from us
            reasons.append("the signature cannot be read")
        else:
            return parse_event(payload)
    raise InvalidSignatureError(f"this webhook is not from Renderwatch, or is old: {'; '.join(dict.fromkeys(reasons))}")


def _verifier(secret: str) -> Webhook:
    try:
        if _SECRET.fullmatch(secret):
            return Webhook(secret)
    except ValueError:  # letters of base64, but not base64
        pass
    raise InvalidInputError("this is no secret of RENDERWATCH_WEBHOOK_SECRETS: whsec_ and base64")
