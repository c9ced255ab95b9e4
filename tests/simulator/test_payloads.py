from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.simulator import SimulatorOptions
from worker.simulator.lifecycle import payloads
from worker.simulator.lifecycle.catalogue import CATALOGUE, CreateEndpoint
from worker.simulator.lifecycle.create_request import CreateRequest, CreateRequestError, parse
from worker.simulator.lifecycle.links import Links
from worker.simulator.lifecycle.projects import Project, Projects

BORN = 1_790_357_664.446
LONG_AFTER = BORN + 1_000_000
LINKS = Links(seed=0)
COMMON = {"id", "name", "status", "type", "created_at", "enabled", "credits_charged", "error", "downloads"}
KEYS = {
    "video": COMMON | {"width", "height", "start_seconds", "end_seconds", "total_frame_cost", "fps", "download"},
    "image": COMMON | {"image_count", "total_frame_cost"},
    "audio": COMMON,
}
CREATED_KEYS = {
    "video": {"id", "estimated_frame_cost", "credits_charged"},
    "image": {"id", "frame_cost", "credits_charged"},
    "audio": {"id", "credits_charged"},
}
SURE = {"failure_rate": 0.0, "cancel_rate": 0.0}


def make(path: str, order: CreateRequest | None = None, **options: float) -> Project:
    chosen = SimulatorOptions(**{**SURE, **options})  # type: ignore[arg-type] # floats only, by the signature above
    return Projects(chosen, lambda: BORN).create(CATALOGUE[path], order or CreateRequest())


def details(project: Project, now: float) -> payloads.Body:
    return payloads.details(project, now, LINKS, "http://host:1")


@pytest.mark.parametrize("path", CATALOGUE)
@pytest.mark.parametrize("failure_rate", [0.0, 1.0])
def test_bodies_have_exactly_the_keys_of_their_kind(path: str, failure_rate: float) -> None:
    project = make(path, failure_rate=failure_rate)
    kind = CATALOGUE[path].kind
    assert payloads.created(project).keys() == CREATED_KEYS[kind]
    assert details(project, BORN).keys() == details(project, LONG_AFTER).keys() == KEYS[kind]


def test_a_video_shows_estimates_until_it_is_complete() -> None:
    project = make("/v1/text-to-video", CreateRequest(end_seconds=15), correction_rate=1.0)
    early, late = details(project, BORN), details(project, LONG_AFTER)
    assert payloads.created(project) == {"id": project.id, "estimated_frame_cost": 450, "credits_charged": 450}
    assert (early["status"], early["fps"], early["credits_charged"], early["download"]) == ("queued", 30, 450, None)
    assert early["downloads"] == []
    assert late["status"] == "complete"
    assert late["fps"] == project.life.fps != 30
    assert late["credits_charged"] == late["total_frame_cost"] == 15 * project.life.fps
    assert late["downloads"] == [late["download"]]


def test_an_image_has_a_file_for_each_image() -> None:
    body = details(make("/v1/ai-image-generator", CreateRequest(image_count=3)), LONG_AFTER)
    assert isinstance(body["downloads"], list)
    names = [urlsplit(download["url"]).path.rsplit("/", 1)[1] for download in body["downloads"]]
    assert names == ["output-1.png", "output-2.png", "output-3.png"]


def test_an_error_has_its_message_and_code_only_once_it_happened() -> None:
    project = make("/v1/face-swap", failure_rate=1.0)
    assert details(project, BORN)["error"] is None
    error = details(project, LONG_AFTER)["error"]
    assert isinstance(error, dict)
    assert error.keys() == {"message", "code"}


def test_created_at_is_utc_with_milliseconds() -> None:
    assert details(make("/v1/text-to-video"), BORN)["created_at"] == "2026-09-25T17:34:24.446Z"


def test_a_link_is_good_for_a_day_and_only_whole() -> None:
    link = LINKS.sign("http://host:1", "cabc/output.mp4", BORN, serial=1)
    path, query = urlsplit(link["url"]).path, urlsplit(link["url"]).query
    assert link["expires_at"] == "2026-09-26T17:34:24.000Z"
    assert LINKS.good(path, query, BORN + 86_000)
    assert not LINKS.good(path, query, BORN + 86_400)
    assert not LINKS.good(path.replace("cabc", "cabd"), query, BORN)
    assert not LINKS.good(path, query.replace("86400", "96400"), BORN)
    assert not LINKS.good(path, "", BORN)
    assert LINKS.sign("http://host:1", "cabc/output.mp4", BORN, serial=2)["url"] != link["url"]


@pytest.mark.parametrize(
    ("path", "order", "price"),
    [
        ("/v1/text-to-video", CreateRequest(end_seconds=6.2), 186),
        ("/v1/auto-subtitle-generator", CreateRequest(start_seconds=2, end_seconds=7), 24),
        ("/v1/ai-image-generator", CreateRequest(image_count=4), 20),
        ("/v1/ai-qr-code-generator", CreateRequest(), 0),
        ("/v1/ai-music-generator", CreateRequest(end_seconds=30), 30),
    ],
)
def test_prices(path: str, order: CreateRequest, price: int) -> None:
    assert order.price(CATALOGUE[path]) == price


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (None, "Missing request body"),
        ([], "Missing request body"),
        ({}, "Missing required field: end_seconds; Missing required field: style"),
        ({"style": {}, "end_seconds": "5"}, "Invalid type for end_seconds: expected number"),
        ({"style": {}, "end_seconds": True}, "Invalid type for end_seconds: expected number"),
        ({"style": {}, "end_seconds": float("nan")}, "end_seconds must be between"),
        ({"style": {}, "end_seconds": 5, "start_seconds": 5}, "end_seconds must be greater than start_seconds"),
        ({"style": {}, "end_seconds": 5, "image_count": 10**6}, "image_count must be between"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(body: object, said: str) -> None:
    with pytest.raises(CreateRequestError, match=said):
        parse(CATALOGUE["/v1/text-to-video"], body)


anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=2)
fields = {name for endpoint in CATALOGUE.values() for name in endpoint.required} | {
    "name",
    "image_count",
    "start_seconds",
}


@given(st.sampled_from(list(CATALOGUE.values())), st.fixed_dictionaries({}, optional=dict.fromkeys(fields, anything)))
def test_any_body_is_refused_or_has_a_price(endpoint: CreateEndpoint, body: dict[str, object]) -> None:
    try:
        order = parse(endpoint, body)
    except CreateRequestError:
        return
    assert body.keys() >= set(endpoint.required)
    assert order.price(endpoint) >= 0
