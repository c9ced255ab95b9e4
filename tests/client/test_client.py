import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType

import magic_hour.types.models as vendor  # type: ignore[import-untyped] # the SDK has no py.typed
import pytest

from tests.client.conftest import settle
from tests.store.world import seen
from tests.web.conftest import Served, answer_all
from worker.client import (
    AsyncRenderwatch,
    InvalidInputError,
    NotTrackedError,
    Project,
    RejectedError,
    Renderwatch,
    RenderwatchError,
    TokenError,
    UnavailableError,
    WaitTimeoutError,
    steps,
)
from worker.client import projects as requests_of
from worker.client.projects import request_of, split
from worker.simulator import SimulatorOptions, running_simulator
from worker.simulator.lifecycle.catalogue import CATALOGUE, CreateEndpoint
from worker.store.engine import Database
from worker.web.api import schemas

ID = "cmb1xk2v80000l70"


def later(seconds: float, do: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(seconds, do)
    timer.start()
    return timer


@pytest.mark.parametrize("endpoint", CATALOGUE.values(), ids=lambda endpoint: str(endpoint.path))
def test_the_response_of_every_create_call_of_the_sdk_tells_its_kind(endpoint: CreateEndpoint) -> None:
    path, kind = endpoint.path, endpoint.kind
    name = "V1" + "".join(word.capitalize() for word in path.removeprefix("/v1/").split("-")) + "CreateResponse"
    fields = {"id": ID, "credits_charged": 450, "estimated_frame_cost": 450, "frame_cost": 450}
    response = getattr(vendor, name).model_validate(fields)
    assert request_of(response) == {"kind": kind, "project_id": ID, "credits_charged": 450}
    if kind != "audio":  # its answers say nothing that tells them apart
        assert request_of(response.model_dump()) == {"kind": kind, "project_id": ID, "credits_charged": 450}


def test_what_tells_no_kind_or_no_id_says_what_to_add() -> None:
    with pytest.raises(ValueError, match='say kind="video"'):
        request_of(ID)
    with pytest.raises(ValueError, match="no project id in this dict"):
        request_of({"credits_charged": 7}, kind="video")


def test_a_project_is_tracked_once_and_read(client: Renderwatch, web: Served) -> None:
    created = {"id": ID, "credits_charged": 450, "estimated_frame_cost": 450}
    first = client.track(created, metadata={"order": 4711})
    assert (first.tracked, first.project.expected_credits, first.project.tracked_by) == ("new", 450, "tests")
    assert client.track(ID, kind="video").tracked == "known"
    answer_all(web.database, seen("rendering", 450, name="Rain"))
    project = client.get("video", ID)
    assert (project.status, project.name, project.metadata) == ("rendering", "Rain", {"order": 4711})
    assert not project.is_finished


def test_many_are_split_and_each_rejected_one_keeps_its_position(
    client: Renderwatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests_of, "_MOST_PROJECTS", 3)
    done = client.track_many(
        [*(f"{ID}{number}" for number in range(7)), "no", {"id": ID, "kind": "image"}], kind="video"
    )
    assert (done.new, [one.position for one in done.rejected]) == (8, [7])
    assert "project_id is 'no'" in done.rejected[0].reason


def test_what_cannot_be_understood_is_rejected_and_the_rest_is_tracked(client: Renderwatch) -> None:
    good = {"id": f"{ID}1", "estimated_frame_cost": 450}
    bad_metadata = {"id": f"{ID}2", "kind": "video", "metadata": {"a": object()}}
    done = client.track_many(["foo", good, bad_metadata, {"kind": "video", "project_id": "no"}, object()])
    assert (done.new, [one.position for one in done.rejected]) == (1, [0, 2, 3, 4])
    reasons = [one.reason for one in done.rejected]
    for reason, said in zip(reasons, ('kind="video"', "as JSON", "project_id is 'no'", "no project id"), strict=True):
        assert said in reason
    assert client.get("video", f"{ID}1").project_id == f"{ID}1"


def test_a_mistake_in_a_call_is_an_error_of_ours_too(client: Renderwatch) -> None:
    calls: list[Callable[[], object]] = [
        lambda: client.track("foo"),
        lambda: client.track({}),
        lambda: client.track(ID, kind="video", metadata={"a": object()}),
        lambda: client.track(ID, kind="video", metadata={"a": float("nan")}),
        lambda: Renderwatch("127.0.0.1:8321", "rw_any"),
        lambda: client.wait("video", ID, until="setled"),  # type: ignore[arg-type]
    ]
    for call in calls:
        with pytest.raises(RenderwatchError) as raised:
            call()
        assert isinstance(raised.value, InvalidInputError)
        assert len(str(raised.value)) < 200


def test_metadata_may_be_any_mapping() -> None:
    request = request_of(ID, kind="video", metadata=MappingProxyType({"order": 1}))
    assert request["metadata"] == {"order": 1}


def test_a_project_of_the_simulator_tells_its_kind() -> None:
    with running_simulator(SimulatorOptions()) as simulator:
        for project in simulator.create(30):
            assert request_of(project) == {"kind": project.kind, "project_id": project.id}


def test_parts_keep_the_limits_of_the_api() -> None:
    small = [{"kind": "video", "project_id": f"{ID}{number}"} for number in range(25_000)]
    assert [(start, len(part)) for start, part in split(small)] == [(0, 10_000), (10_000, 10_000), (20_000, 5_000)]
    large = [{"project_id": str(number), "metadata": {"text": "x" * 8_000}} for number in range(1_000)]
    parts = list(split(large))
    assert [item for _, part in parts for item in part] == large
    assert max(len(str(part)) for _, part in parts) < 4 * 1024 * 1024


def test_errors_say_what_to_do(client: Renderwatch, web: Served) -> None:
    with pytest.raises(NotTrackedError, match="send it to POST /v1/projects") as missing:
        client.get("video", ID)
    assert (missing.value.status, missing.value.code) == (404, "not_tracked")
    with pytest.raises(RejectedError, match="it must be a whole number"):
        client.track(ID, kind="video", credits_charged=-1)
    client.track(ID, kind="video")
    with pytest.raises(RejectedError, match="already tracked for account 'default'"):
        client.track(ID, kind="video", account="studio")
    with pytest.raises(TokenError), Renderwatch(web.url, "rw_" + "x" * 43) as stranger:
        stranger.get("video", ID)
    with pytest.raises(ValueError, match="tokens create"):
        Renderwatch(web.url)
    with pytest.raises(ValueError, match="RENDERWATCH_URL"):
        Renderwatch(token="rw_any")  # noqa: S106  no secret


def test_the_url_and_the_token_may_come_from_the_environment(
    web: Served, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RENDERWATCH_URL", web.url + "/")
    monkeypatch.setenv("RENDERWATCH_TOKEN", token)
    with Renderwatch() as client:
        assert client.track(ID, kind="video").tracked == "new"
        assert token not in repr(vars(client))


def test_waiting_returns_with_the_end_and_with_the_final_price(client: Renderwatch, web: Served) -> None:
    client.track(ID, kind="video")
    answer_all(web.database, seen("rendering", 450))
    later(0.5, lambda: answer_all(web.database, seen("complete", 360)))
    done = client.wait("video", ID, timeout=60)
    assert (done.status, done.state, done.credits_charged) == ("complete", "settling", 360)
    later(0.5, lambda: settle(web.database, 360))
    settled = client.wait("video", ID, until="settled", timeout=60)
    assert (settled.is_settled, settled.close_reason, settled.credits_charged) == (True, "settled", 360)


def test_waiting_ends_with_its_time_and_says_where_the_project_is(client: Renderwatch) -> None:
    client.track(ID, kind="video")
    with pytest.raises(WaitTimeoutError, match="has not finished yet: status not seen yet") as late:
        client.wait("video", ID, timeout=0.2)
    assert isinstance(late.value.project, Project)


class Moody(BaseHTTPRequestHandler):
    """Answers as a gateway does whose server restarts."""

    answers: list[tuple[int, bytes]]

    def do_GET(self) -> None:
        status, body = self.answers.pop(0)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "pause", lambda *_: 0.01)


@pytest.mark.usefixtures("impatient")
def test_what_may_pass_is_tried_again_and_what_lasts_is_said(client: Renderwatch, web: Served, token: str) -> None:
    client.track(ID, kind="video")
    with web.client("read", name="other") as http:
        project = http.get(f"/v1/projects/video/{ID}").content
    Moody.answers = [(503, b"<html>"), (429, b""), (502, b""), (200, project), *[(503, b"<html>")] * 5]
    with ThreadingHTTPServer(("127.0.0.1", 0), Moody) as gateway:
        threading.Thread(target=gateway.serve_forever, daemon=True).start()
        with Renderwatch(f"http://127.0.0.1:{gateway.server_port}", token) as through:
            assert through.get("video", ID).project_id == ID
            with pytest.raises(UnavailableError, match="no answer of Renderwatch's API"):
                through.get("video", ID)
        gateway.shutdown()
    with (
        Renderwatch(f"http://127.0.0.1:{gateway.server_port}", token) as alone,
        pytest.raises(UnavailableError) as gone,
    ):
        alone.get("video", ID)
    assert (gone.value.status, gone.value.code) == (0, "no_answer")
    said = f"no answer from http://127.0.0.1:{gateway.server_port}: nothing listens there; start renderwatch web"
    assert said in str(gone.value)


def test_the_asynchronous_client_does_the_same(web: Served, token: str, store: Database) -> None:
    async def use() -> list[object]:
        async with AsyncRenderwatch(web.url, token) as client:
            tracked = await client.track({"id": ID, "frame_cost": 5, "credits_charged": 5})
            await client.track_many([f"{ID}{number}" for number in range(3)], kind="video")
            with pytest.raises(NotTrackedError):
                await client.get("audio", ID)
            later(0.5, lambda: answer_all(store, seen("complete", 5)))
            done = await client.wait("image", ID, timeout=60)
            return [tracked.tracked, done.status]

    assert asyncio.run(use()) == ["new", "complete"]


def test_a_project_has_every_field_of_the_api(web: Served) -> None:
    assert Project.model_fields.keys() == schemas.Project.model_fields.keys()
    assert issubclass(WaitTimeoutError, RenderwatchError)
    assert web.url


def test_the_client_starts_neither_celery_nor_sqlalchemy() -> None:
    code = (
        "import sys, worker.client\n"
        "heavy = {'celery', 'kombu', 'sqlalchemy', 'fastapi', 'uvicorn', 'alembic', 'httpx', 'click', 'rich'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "ours = {name for name in sys.modules if name.startswith('worker.')}\n"
        "assert all(name.startswith('worker.client') for name in ours), ours"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
