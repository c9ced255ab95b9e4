import pytest
from hypothesis import given

from tests.domain.values import json_values, texts
from worker.domain.deliveries.celery_destination import CeleryDestination
from worker.domain.deliveries.destination import (
    LONGEST,
    MOST,
    DestinationError,
    destinations,
    is_allowed,
    parse_destination,
    parse_routes,
)
from worker.domain.deliveries.route_rule import Subject
from worker.domain.deliveries.webhook_url import is_webhook
from worker.domain.projects.events import EVENT_TYPES

VIDEO = Subject("video", "studio", "TEXT_TO_VIDEO", {"customer": "A & B", "order": 4711, "paid": True})


@pytest.mark.parametrize(
    ("text", "destination"),
    [
        ("celery:media.publish", CeleryDestination("media.publish", None)),
        ("celery:media.publish?queue=media", CeleryDestination("media.publish", "media")),
        ("celery:_x-1.y?queue=a.b:c-d", CeleryDestination("_x-1.y", "a.b:c-d")),
        ("celery:1st", CeleryDestination("1st")),
        ("celery:media%20files%2F%E2%9C%93?queue=a%26b%3F", CeleryDestination("media files/✓", "a&b?")),
        ("celery:a+b?queue=c+d", CeleryDestination("a+b", "c+d")),
        ("celery:media.publish?confirm=90", CeleryDestination("media.publish", confirm=90)),
        ("celery:media.publish?priority=9&queue=media", CeleryDestination("media.publish", "media", priority=9)),
        ("celery:media.publish?ordered=true", CeleryDestination("media.publish", ordered=True)),
        ("celery:pay?confirm=1.5", CeleryDestination("pay", confirm=1.5)),
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
        "celery:täsk",
        "celery:task\n",
        "celery:task?queue=",
        "celery:task?q=media",
        "celery:task#part",
        "celery:ta%2",
        "celery:%ff",
        "celery:%20task",
        "celery:line%0Abreak",
        "celery:task?",
        "celery:task?queue=%00",
        "celery+bill ing:task",
        "celery:task?queue=a&queue=b",
        "celery:" + "x" * 201,
        "ftp://example.com/",
    ],
)
def test_what_is_no_destination_is_answered_with_what_to_write(text: str) -> None:
    with pytest.raises(DestinationError, match="celery:<task name>"):
        parse_destination(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("celery:task?confrim=60", "did you mean confirm="),
        ("celery:task?confirm=0", "1 to 86400"),
        ("celery:task?confirm=100000", "1 to 86400"),
        ("celery:task?confirm=1e3", "1 to 86400"),
        ("celery:task?confirm=nan", "1 to 86400"),
        ("celery:task?priority=10", "0 to 9"),
        ("celery:task?priority=-1", "0 to 9"),
        ("celery:task?ordered=yes", "true or false"),
        ("celery:task?queue=renderwatch.intake", "one of your own queues"),
        ("celery:render%77atch.dispatch", "one of your own tasks"),
        ("archive:/files", "not archived by this version"),
    ],
)
def test_an_option_that_cannot_be_used_is_answered_with_what_it_is(text: str, reason: str) -> None:
    with pytest.raises(DestinationError, match=reason):
        parse_destination(text)


def test_a_long_mistake_makes_no_long_message() -> None:
    with pytest.raises(DestinationError) as raised:
        parse_destination("x" * 100_000)
    assert len(str(raised.value)) < 2 * LONGEST


def test_our_own_tasks_are_no_destination() -> None:
    with pytest.raises(DestinationError, match="one of your own tasks"):
        parse_destination("celery:renderwatch.dispatch")


def test_a_url_is_a_destination_in_its_normal_form() -> None:
    assert str(parse_destination("HTTPS://Hooks.Example.com:443/a")) == "https://hooks.example.com/a"
    assert parse_routes(["https://HOOKS.example.com/", "https://hooks.example.com"]) == {
        "*": ["https://hooks.example.com/"]
    }


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (
            "https://hooks.example.com/a?token=s3cret",
            "'https://hooks.example.com/a' is not a destination: it has a query",
        ),
        ("https://me:s3cret@hooks.example.com/", "a URL is not a destination: it has a user or a password"),
        ("https://hooks.example.com/" + "x" * LONGEST, f"a URL has at most {LONGEST} characters"),
    ],
)
def test_a_wrong_url_is_answered_without_its_secrets(text: str, answer: str) -> None:
    with pytest.raises(DestinationError) as raised:
        parse_destination(text)
    assert answer in str(raised.value)
    assert "s3cret" not in str(raised.value)


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
        ("celery:media.*?confirm=*", "celery:media.publish?confirm=60&queue=other", False),
        ("celery:media.*?queue=*", "celery:media.publish?confirm=60", False),
        ("celery:*", "celery+billing:media.publish", False),
        ("celery:media.*?queue=a&queue=b", "celery:media.publish?queue=a", False),
        ("celery:media.*?queue=my%20queue", "celery:media.publish?queue=my%20queue", True),
        ("celery:media.*?queue=my*", "celery:media.publish?queue=my%20queue", True),
        ("celery:media%2A", "celery:media.publish", False),
    ],
)
def test_a_star_stands_for_anything_but_a_queue(pattern: str, destination: str, *, allowed: bool) -> None:
    assert is_allowed(destination, [pattern]) is allowed


@pytest.mark.parametrize(
    ("pattern", "options", "allowed"),
    [
        ("", "confirm=5", True),
        ("", "queue=studio_dev&confirm=5", False),
        ("?queue=studio*", "queue=studio_dev&confirm=5", True),
        ("?queue=studio*", "confirm=5&queue=studio_dev", True),
        ("?queue=studio*", "ordered=true&queue=studio&priority=3", True),
        ("?queue=studio*", "queue=finance&confirm=5", False),
        ("?queue=studio*", "confirm=5", False),
        ("?queue=studio*&confirm=*", "confirm=5&queue=studio", True),
        ("?confirm=*&queue=studio*", "queue=studio&confirm=5", True),
        ("?queue=studio*&confirm=60", "queue=studio&confirm=5", False),
        ("?queue=studio*&confirm=*", "queue=studio", False),
    ],
)
def test_terms_of_delivery_need_no_pattern_and_options_no_order(pattern: str, options: str, *, allowed: bool) -> None:
    assert is_allowed(f"celery:studio.ok?{options}", ["celery:studio.*" + pattern]) is allowed


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        ("*", False),
        ("h*", False),
        ("celery:*", False),
        ("https://hooks.example.com", True),
        ("https://hooks.example.com/*", True),
        ("https://hooks.example.com/other/*", False),
        ("https://*.example.com", True),
        ("https://evil.example", False),
    ],
)
def test_a_url_is_allowed_by_patterns_of_urls_alone(pattern: str, *, allowed: bool) -> None:
    assert is_allowed("https://hooks.example.com/a", [pattern]) is allowed


def test_an_empty_list_allows_nothing_and_a_long_one_what_any_pattern_allows() -> None:
    assert not is_allowed("celery:a", [])
    assert is_allowed("celery:b", ["celery:a", "celery:b"])


@given(texts, texts)
def test_no_star_ever_lets_a_queue_through(task: str, queue: str) -> None:
    assert not is_allowed(f"celery:{task}?queue={queue}", ["*", "celery:*", "c*y:*"])


@given(texts.filter(lambda text: not is_webhook(text)))
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
        ("celery:a", "routes must be a list of destinations"),
        (None, "routes must be a list of destinations"),
        ({"project.complete": []}, "'project.complete' is not an event type; did you mean project.completed?"),
        ({"completed": []}, "did you mean project.completed?"),
        ({"cancelled": []}, "did you mean project.canceled?"),
        ({"%": []}, "'%' is not an event type; there are project.started, "),
        ({"*": "celery:a"}, "the destinations of an event type must be a list of strings"),
        ({"*": ["celery:a", 7]}, "the destinations of an event type must be a list of strings"),
        ({"*": ["selery:a"]}, "'selery:a' is not a destination"),
        ({"*": ["celery:a"] * (MOST + 1)}, f"{MOST + 1} destinations given; at most {MOST}"),
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
    routes = {"project.completed": ["celery:done"], "project.failed": ["celery:failed"], "*": ["celery:all"]}
    notify = {"project.completed": ["celery:mine", "celery:done"], "*": ["celery:all"]}
    assert destinations("project.completed", VIDEO, routes, notify) == ("celery:done", "celery:all", "celery:mine")
    assert destinations("project.settled", VIDEO, routes, {}) == ("celery:all",)
    assert destinations("project.settled", VIDEO, {}, {}) == ()


@pytest.mark.parametrize(
    ("rule", "goes"),
    [
        ("project.*", True),
        ("project.c*", True),
        ("project.s*", False),
        ("*?kind=video", True),
        ("*?kind=image", False),
        ("project.completed?type=TEXT_TO_VIDEO&account=studio", True),
        ("project.completed?type=TEXT_TO_VIDEO&account=default", False),
        ("project.failed?type=TEXT_TO_VIDEO", False),
        ("*?metadata.customer=A%20%26%20B", True),
        ("*?metadata.customer=A", False),
        ("*?metadata.order=4711&metadata.paid=true", True),
        ("*?metadata.missing=", False),
    ],
)
def test_a_route_with_filters_is_for_the_projects_that_pass_them_all(rule: str, goes: bool) -> None:  # noqa: FBT001
    routes = parse_routes({rule: ["celery:a"]}, filters=True)
    assert destinations("project.completed", VIDEO, routes, {}) == (("celery:a",) if goes else ())


@pytest.mark.parametrize(
    ("rule", "answer"),
    [
        ("project.x*", "'project.x*' is not an event type"),
        ("*?", "is not a rule; write EVENT_TYPE[?kind="),
        ("*?kind", "is not a rule; write EVENT_TYPE[?kind="),
        ("*?kind=film", "'film' is not a kind; there are video, image"),
        ("*?acount=a", "'acount' is not a filter: did you mean account=?"),
        ("*?customer=a", "'customer' is not a filter: there are kind, type, account and metadata.KEY"),
        ("*?metadata.=a", "'metadata.' is not a filter"),
        ("*?type=", "type has no value"),
        ("*?account=a&account=b", "names 'account' twice; write a route for each value"),
        ("*?type=" + "A" * 1_000, "more than 1,000 characters"),
    ],
)
def test_a_wrong_filter_is_answered_with_what_to_write(rule: str, answer: str) -> None:
    with pytest.raises(DestinationError) as raised:
        parse_routes({rule: ["celery:a"]}, filters=True)
    assert answer in str(raised.value)


@pytest.mark.parametrize("rule", ["*?kind=video", "project.*"])
def test_a_callers_own_routes_have_no_filters(rule: str) -> None:
    with pytest.raises(DestinationError, match="only RENDERWATCH_ROUTES has filters"):
        parse_routes({rule: ["celery:a"]})
