import pytest
from hypothesis import given

from worker.domain.destination import (
    LONGEST,
    MOST,
    CeleryDestination,
    DestinationError,
    destinations,
    is_allowed,
    parse_destination,
    parse_routes,
)
from worker.domain.events import EVENT_TYPES

from .values import json_values, texts


@pytest.mark.parametrize(
    ("text", "destination"),
    [
        ("celery:media.publish", CeleryDestination("media.publish", None)),
        ("celery:media.publish?queue=media", CeleryDestination("media.publish", "media")),
        ("celery:_x-1.y?queue=a.b:c-d", CeleryDestination("_x-1.y", "a.b:c-d")),
    ],
)
def test_a_celery_task_is_named_with_or_without_its_queue(text: str, destination: CeleryDestination) -> None:
    assert parse_destination(text) == destination


@pytest.mark.parametrize(
    "text",
    [
        "",
        "media.publish",
        "celery:",
        "celery: media",
        "celery:1st",
        "celery:täsk",
        "celery:task\n",
        "celery:task?queue=",
        "celery:task?q=media",
        "celery:task?queue=a&queue=b",
        "celery:" + "x" * 201,
        "ftp://example.com/",
    ],
)
def test_what_is_no_destination_is_answered_with_what_to_write(text: str) -> None:
    with pytest.raises(DestinationError, match="celery:<task name>"):
        parse_destination(text)


def test_a_long_mistake_makes_no_long_message() -> None:
    with pytest.raises(DestinationError) as raised:
        parse_destination("x" * 100_000)
    assert len(str(raised.value)) < 2 * LONGEST


def test_our_own_tasks_are_no_destination() -> None:
    with pytest.raises(DestinationError, match="a task of yours"):
        parse_destination("celery:renderwatch.dispatch")


# --- the allow-list -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "destination", "allowed"),
    [
        ("celery:media.publish", "celery:media.publish", True),
        ("celery:media.publish", "celery:media.publisher", False),
        ("celery:media.publish", "celery:media-publish", False),
        ("celery:media.*", "celery:media.publish", True),
        ("celery:media.*", "celery:finance.pay", False),
        ("celery:*", "celery:media.publish?queue=media", False),
        ("*", "celery:media.publish?queue=media", False),
        ("celery:media.*?queue=media", "celery:media.publish?queue=media", True),
        ("celery:media.*?queue=media", "celery:media.publish", False),
        ("celery:media.*?queue=*", "celery:media.publish?queue=other", True),
    ],
)
def test_a_star_stands_for_anything_but_a_queue(pattern: str, destination: str, *, allowed: bool) -> None:
    assert is_allowed(destination, [pattern]) is allowed


def test_an_empty_list_allows_nothing_and_a_long_one_what_any_pattern_allows() -> None:
    assert not is_allowed("celery:a", [])
    assert is_allowed("celery:b", ["celery:a", "celery:b"])


@given(texts, texts)
def test_no_star_ever_lets_a_queue_through(task: str, queue: str) -> None:
    assert not is_allowed(f"celery:{task}?queue={queue}", ["*", "celery:*", "c*y:*"])


@given(texts)
def test_a_pattern_without_a_star_allows_itself_alone(text: str) -> None:
    pattern = text.replace("*", "")
    assert is_allowed(pattern, [pattern])
    assert not is_allowed(pattern + "x", [pattern])


# --- routes ---------------------------------------------------------------------------------------------------------


def test_a_bare_list_is_for_all_events() -> None:
    assert parse_routes(["celery:a"]) == {"*": ["celery:a"]}


def test_every_event_type_can_have_a_route() -> None:
    routes = {event_type: ["celery:a"] for event_type in EVENT_TYPES}
    assert parse_routes(routes) == routes


def test_a_destination_named_twice_is_kept_once() -> None:
    assert parse_routes(["celery:b", "celery:a", "celery:b"]) == {"*": ["celery:b", "celery:a"]}


@pytest.mark.parametrize(
    ("routes", "answer"),
    [
        ("celery:a", "routes are a list of destinations"),
        (None, "routes are a list of destinations"),
        ({"project.complete": []}, "'project.complete' is no event type; did you mean project.completed?"),
        ({"completed": []}, "did you mean project.completed?"),
        ({"cancelled": []}, "did you mean project.canceled?"),
        ({"%": []}, "'%' is no event type; there are project.started, "),
        ({"*": "celery:a"}, "the destinations of an event type are a list of texts"),
        ({"*": ["celery:a", 7]}, "the destinations of an event type are a list of texts"),
        ({"*": ["selery:a"]}, "'selery:a' is no destination"),
        ({"*": ["celery:a"] * (MOST + 1)}, f"these are {MOST + 1} destinations; at most {MOST}"),
    ],
)
def test_a_wrong_route_is_answered_with_what_to_write(routes: object, answer: str) -> None:
    with pytest.raises(DestinationError) as raised:
        parse_routes(routes)
    assert answer in str(raised.value)


@given(json_values)
def test_any_value_is_a_route_or_a_clear_error(value: object) -> None:
    try:
        routes = parse_routes(value)
    except DestinationError as error:
        str(error).encode()
    else:
        assert parse_routes(routes) == routes


def test_an_event_goes_to_all_its_destinations_once() -> None:
    routes = {"*": ["celery:all"], "project.completed": ["celery:done"], "project.failed": ["celery:failed"]}
    notify = {"project.completed": ["celery:mine", "celery:done"], "*": ["celery:all"]}
    assert destinations("project.completed", routes, notify) == ("celery:done", "celery:all", "celery:mine")
    assert destinations("project.settled", routes, {}) == ("celery:all",)
    assert destinations("project.settled", {}, {}) == ()
