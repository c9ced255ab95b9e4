"""What a webhook of Magic Hour says, and when it is worth a check."""

import json
from typing import Any

import pytest

from worker.domain.intake.hint import Hint, HintError, parse_hint, tells_news

ID = "cmuh8q75q0101k101fvgj9518"


def body(**content: Any) -> bytes:  # noqa: ANN401  any JSON
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("video.started", Hint("video", ID, "rendering")),
        ("image.completed", Hint("image", ID, "complete")),
        ("audio.errored", Hint("audio", ID, "error")),
        ("video.canceled", Hint("video", ID, None)),  # not sent today
        ("account.updated", None),
    ],
)
def test_each_event_of_a_project_is_a_hint(event: str, expected: Hint | None) -> None:
    assert parse_hint(body(type=event, payload={"id": ID, "status": "whatever"})) == expected


def test_the_older_name_of_the_payload_is_read_too() -> None:
    assert parse_hint(body(type="video.completed", object={"id": ID})) == Hint("video", ID, "complete")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b"[]",
        b"null",
        body(),
        body(type=7),
        body(type="video.completed"),
        body(type="video.completed", payload=[]),
        body(type="video.completed", payload={"id": 7}),
        body(type="video.completed", payload={"id": "../account"}),
        body(type="video.completed", payload={"id": "x" * 65}),
    ],
)
def test_anything_else_is_an_error(content: bytes) -> None:
    with pytest.raises(HintError):
        parse_hint(content)


@pytest.mark.parametrize(
    ("hinted", "known", "news"),
    [
        ("rendering", None, True),
        ("rendering", "queued", True),
        ("rendering", "rendering", False),
        ("rendering", "complete", False),
        ("complete", "queued", True),
        ("complete", "rendering", True),
        ("complete", "complete", False),
        ("error", "complete", True),
        (None, "complete", True),
    ],
)
def test_a_status_that_was_seen_or_passed_is_no_news(hinted: str | None, known: str | None, *, news: bool) -> None:
    assert tells_news(Hint("video", ID, hinted), known) == news
