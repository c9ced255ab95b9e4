import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from worker.client import InvalidInputError, InvalidSignatureError, SettledEvent, parse_event, verify_event
from worker.delivery.webhook import signed_headers
from worker.domain.projects.example_events import example_payload

SECRET, OTHER = ("whsec_" + letter * 32 for letter in "AB")
BODY = json.dumps(example_payload("project.settled", "01937a5e-7c00-7000-8000-3f5c1d2e4a6b"))


@pytest.fixture
def headers() -> dict[str, str]:
    """The headers of an event that is sent now: they are valid for five minutes."""
    return signed_headers([SECRET], "msg_1", BODY)


def test_an_event_that_we_sent_is_returned_typed(headers: dict[str, str]) -> None:
    event = verify_event(headers, BODY.encode(), SECRET)
    assert isinstance(event, SettledEvent)
    assert event.credits_after == 360
    # As frameworks hand headers over, in capitals.
    assert verify_event({name.title(): value for name, value in headers.items()}, BODY, SECRET) == event


def test_while_the_secret_changes_either_one_will_do(headers: dict[str, str]) -> None:
    both = signed_headers([OTHER, SECRET], "msg_1", BODY)
    for given, secret in ((headers, [OTHER, SECRET]), (both, SECRET), (both, OTHER), (both, [OTHER, SECRET])):
        assert verify_event(given, BODY, secret).type == "project.settled"


OLD = datetime.now(UTC) - timedelta(minutes=6)


@pytest.mark.parametrize(
    ("changed", "body", "secret"),
    [
        ({}, BODY, OTHER),
        ({}, BODY.replace("360", "0"), SECRET),
        ({}, b"\xff" + BODY.encode(), SECRET),
        ({"webhook-id": "msg_2"}, BODY, SECRET),
        ({"webhook-signature": "v1"}, BODY, SECRET),
        ({"webhook-signature": "v1,x"}, BODY, SECRET),
        ({"webhook-timestamp": "soon"}, BODY, SECRET),
        (
            {
                "webhook-id": "msg_1",
                "webhook-timestamp": str(int(OLD.timestamp())),
                "webhook-signature": Webhook(SECRET).sign("msg_1", OLD, BODY),
            },
            BODY,
            SECRET,
        ),
    ],
)
def test_anything_else_is_refused(
    headers: dict[str, str], changed: dict[str, str], body: bytes | str, secret: str
) -> None:
    with pytest.raises(InvalidSignatureError, match="not from Renderwatch, or is old"):
        verify_event(headers | changed, body, secret)


def test_an_event_without_a_signature_is_refused() -> None:
    with pytest.raises(InvalidSignatureError, match="not from Renderwatch, or is old"):
        verify_event({}, BODY, SECRET)


def test_a_secret_that_is_none_is_a_mistake_of_ones_own(headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="RENDERWATCH_WEBHOOK_SECRETS"):
        verify_event(headers, BODY, [])


@pytest.mark.parametrize("secret", ["", "whsec_x", "whsec_é", "garbage!"])
def test_a_secret_that_cannot_be_read_is_an_error_of_ours(headers: dict[str, str], secret: str) -> None:
    with pytest.raises(InvalidInputError, match="whsec_"):
        verify_event(headers, BODY, secret)


def test_a_signed_body_that_is_no_event_is_not_called_badly_signed() -> None:
    body = '{"type": "ping"}'
    with pytest.raises(InvalidInputError, match="no event of Renderwatch"):
        verify_event(signed_headers([SECRET], "msg_1", body), body, SECRET)


@pytest.mark.parametrize("payload", [{}, {"type": "project.completed"}, [], "text"])
def test_a_payload_that_is_no_event_is_refused_in_one_line(payload: Any) -> None:  # noqa: ANN401  whatever came
    with pytest.raises(InvalidInputError, match="no event of Renderwatch") as raised:
        parse_event(payload)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 150
