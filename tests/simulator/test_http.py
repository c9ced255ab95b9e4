import logging
import multiprocessing
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from worker.simulator import Simulator, SimulatorOptions, running_simulator, serve
from worker.simulator.lifecycle.catalogue import CATALOGUE
from worker.simulator.lifecycle.projects import Project

from .clock import Clock

SURE = SimulatorOptions(failure_rate=0, cancel_rate=0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sim(clock: Clock) -> Iterator[Simulator]:
    with running_simulator(SURE, clock) as simulator:
        yield simulator


@pytest.fixture
def client(sim: Simulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sim.url, headers={"Authorization": "Bearer any"}, trust_env=False) as http:
        yield http


def where(project: Project) -> str:
    return f"/v1/{project.endpoint.kind}-projects/{project.id}"


def test_every_create_endpoint_takes_its_required_fields_and_demands_each(client: httpx.Client) -> None:
    numbers = {"end_seconds": 6, "start_seconds": 1, "duration": 30, "image_count": 2, "width": 512, "height": 512}
    for path, endpoint in CATALOGUE.items():
        body: dict[str, object] = {name: numbers.get(name, {}) for name in endpoint.required}
        answer = client.post(path, json=body)
        assert answer.status_code == 200, path
        shown = client.get(f"/v1/{endpoint.kind}-projects/{answer.json()['id']}").json()
        assert (shown["type"], shown["status"]) == (endpoint.type, "queued")
        assert shown["credits_charged"] == answer.json()["credits_charged"]
        for name in body:
            refused = client.post(path, json={other: value for other, value in body.items() if other != name})
            assert refused.status_code == 400
            assert refused.json() == {"code": "invalid_request", "message": f"Missing required field: {name}"}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_is_refused(client: httpx.Client, content: bytes) -> None:
    answer = client.post("/v1/text-to-video", content=content)
    assert (answer.status_code, answer.json()["message"]) == (400, "Missing request body")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic abc", "any"])
def test_without_a_key_nothing_is_told(sim: Simulator, header: str | None) -> None:
    [project] = sim.create()
    headers = {} if header is None else {"Authorization": header}
    for method, path in (("GET", where(project)), ("POST", "/v1/text-to-video"), ("GET", "/v1/nothing")):
        answer = httpx.request(method, sim.url + path, headers=headers, trust_env=False)
        assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})


def test_only_listed_keys_are_let_in() -> None:
    with running_simulator(SimulatorOptions(api_keys=frozenset({"good"}))) as sim:
        asked = [
            httpx.get(f"{sim.url}/v1/account", headers={"Authorization": f"Bearer {key}"}, trust_env=False).status_code
            for key in ("good", "bad")
        ]
    assert asked == [200, 401]


def test_a_project_goes_its_way_as_the_clock_goes(sim: Simulator, client: httpx.Client, clock: Clock) -> None:
    [project] = sim.create(1, "/v1/image-to-video")
    born, seen = clock.now, []
    for moment in project.life.moments:
        clock.now = born + moment.at + 0.001
        body = client.get(where(project)).json()
        seen.append((body["status"], body["credits_charged"]))
    assert seen == [(moment.status, moment.credits_charged) for moment in project.life.moments]
    assert [status for status, _ in seen] == ["queued", "rendering", "complete"]
    assert sim.record()[0]["requests"] == 3


def test_links_are_fresh_with_each_answer_and_lead_to_a_file(
    sim: Simulator, client: httpx.Client, clock: Clock
) -> None:
    [project] = sim.create(1, "/v1/text-to-video")
    clock.now = project.settles_at + 1
    first, second = (client.get(where(project)).json()["download"]["url"] for _ in range(2))
    assert first != second
    assert urlsplit(first).path.endswith("/output.mp4")
    files = [httpx.get(url, trust_env=False) for url in (first, second, first.partition("?")[0])]
    assert [file.status_code for file in files] == [200, 200, 403]
    assert files[0].content == b"simulated output.mp4\n"
    clock.now += 24 * 3600
    assert httpx.get(first, trust_env=False).status_code == 403


def test_unknown_ids_kinds_and_paths_are_not_found(sim: Simulator, client: httpx.Client) -> None:
    [project] = sim.create(1, "/v1/text-to-video")
    gone = f"/v1/video-projects/c{'0' * 24}"
    for path in (gone, f"/v1/image-projects/{project.id}", f"/v1/other-projects/{project.id}", "/v1/a/b", "/nothing"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()) == (404, {"message": "Not Found"})
    assert client.delete(gone).status_code == 404
    assert client.post("/v1/no-such-tool", json={}).status_code == 404
    assert client.post(gone, json={}).json() == {"message": "Method Not Allowed"}


def test_a_deleted_project_is_shown_disabled(sim: Simulator, client: httpx.Client, clock: Clock) -> None:
    [project] = sim.create(1, "/v1/text-to-video")
    clock.now = project.settles_at + 1
    assert client.get(where(project)).json()["enabled"] is True
    answer = client.delete(where(project))
    assert (answer.status_code, answer.content) == (204, b"")
    body = client.get(where(project)).json()
    assert (body["enabled"], body["downloads"], body["download"]) == (False, [], None)


def test_the_account_pays_what_projects_cost(sim: Simulator, client: httpx.Client) -> None:
    before = client.get("/v1/account").json()
    [project] = sim.create(1, "/v1/text-to-video")
    after = client.get("/v1/account").json()
    assert before.keys() == {"id", "email", "tier", "credits", "subscription"}
    assert before["credits"] - after["credits"] == project.life.moments[0].credits_charged > 0


def test_health_and_control_need_no_key_and_are_not_counted(sim: Simulator, client: httpx.Client) -> None:
    for path in ("/healthz", "/_simulator/projects", "/_simulator/stats"):
        assert httpx.get(sim.url + path, trust_env=False).status_code == 200
    client.get("/v1/account")
    client.get("/v1/video-projects/unknown")
    httpx.get(f"{sim.url}/v1/account", trust_env=False)
    assert client.get("/_simulator/stats").json() == {
        "requests": {"200": 1, "401": 1, "404": 1},
        "projects": 0,
        "faults": {},
        "webhooks": {},
    }
    assert sim.stats() == {"requests": {"200": 1, "401": 1, "404": 1}, "projects": 0, "faults": {}, "webhooks": {}}


def test_many_are_created_and_paged_through(sim: Simulator, client: httpx.Client) -> None:
    made = client.post("/_simulator/projects", json={"count": 2000}).json()
    assert made[0].keys() == {"id", "kind", "credits_charged"}
    ids, after, pages = [], 0, 0
    while after is not None:
        page = client.get("/_simulator/projects", params={"after": after}).json()
        ids += [record["id"] for record in page["projects"]]
        after, pages = page["next"], pages + 1
    assert pages == 2
    assert ids == [project["id"] for project in made] == [record["id"] for record in sim.record()]
    of_one = client.post("/_simulator/projects", json={"count": 3, "path": "/v1/ai-voice-cloner"}).json()
    assert [project["kind"] for project in of_one] == ["audio"] * 3


@pytest.mark.parametrize(
    "body",
    [None, [], {}, {"count": 0}, {"count": True}, {"count": "5"}, {"count": 10**6}, {"count": 1, "path": "/v1/x"}],
)
def test_a_wrong_control_request_is_told_what_is_wrong(sim: Simulator, client: httpx.Client, body: object) -> None:
    answer = client.post("/_simulator/projects", json=body)
    assert answer.status_code == 400
    assert answer.json()["message"]
    assert client.get("/_simulator/projects", params={"after": "x"}).status_code == 400
    assert sim.record() == []


def test_a_full_simulator_answers_503(clock: Clock) -> None:
    with running_simulator(SimulatorOptions(max_projects=1), clock) as sim:
        sim.create()
        body = {"end_seconds": 5, "style": {}}
        headers = {"Authorization": "Bearer any"}
        answer = httpx.post(f"{sim.url}/v1/text-to-video", json=body, headers=headers, trust_env=False)
        many = httpx.post(f"{sim.url}/_simulator/projects", json={"count": 1}, trust_env=False)
    assert (answer.status_code, many.status_code) == (503, 503)


def test_a_stopped_simulator_leaves_its_port_free() -> None:
    with running_simulator() as sim:
        port = urlsplit(sim.url).port
    assert port is not None
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_serving_on_a_taken_port_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        serve(SURE, port=taken.getsockname()[1])
    assert capfd.readouterr() == ("", "")


def test_serve_announces_its_address_and_stops_on_a_signal() -> None:
    context = multiprocessing.get_context("spawn")
    announced = context.SimpleQueue()
    process = context.Process(target=serve, args=(SURE,), kwargs={"announce": announced.put}, daemon=True)
    process.start()
    try:
        assert httpx.get(f"{announced.get()}/healthz", trust_env=False).json() == {"status": "ok"}
    finally:
        process.terminate()
        process.join(30)
        announced.close()
    assert process.exitcode == -15
    process.close()


def test_requests_are_not_logged(sim: Simulator, client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    [project] = sim.create()
    client.get(where(project))
    assert not [entry for entry in caplog.records if entry.name.startswith("uvicorn")]
