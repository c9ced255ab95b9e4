"""The simulator misbehaves as it is told, and writes down who asked when."""

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import sha256

import httpx
import pytest

from worker.simulator import FAULTS, Faults, Simulator, SimulatorOptions, fingerprint, running_simulator
from worker.simulator.lifecycle.projects import Project

from .clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sim(clock: Clock) -> Iterator[Simulator]:
    with running_simulator(SimulatorOptions(seed=3), clock) as simulator:
        yield simulator


@pytest.fixture
def client(sim: Simulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sim.url, headers={"Authorization": "Bearer any"}, trust_env=False) as http:
        yield http


@pytest.fixture
def project(sim: Simulator) -> Project:
    return sim.create(1, "/v1/text-to-video")[0]


def where(project: Project) -> str:
    return f"/v1/{project.endpoint.kind}-projects/{project.id}"


def test_without_faults_nothing_goes_wrong(sim: Simulator, client: httpx.Client, project: Project) -> None:
    assert {client.get(where(project)).status_code for _ in range(50)} == {200}
    assert sim.stats()["faults"] == {}


@pytest.mark.parametrize(("fault", "status"), [("500", 500), ("503", 503), ("404", 404), ("flapping", 503)])
def test_refusals(sim: Simulator, client: httpx.Client, project: Project, fault: str, status: int) -> None:
    sim.misbehave(script=[fault])
    assert client.get(where(project)).status_code == status
    assert client.get(where(project)).status_code == 200  # the script has ended


def test_429_says_when_to_come_back_in_seconds_or_as_a_date(
    sim: Simulator, client: httpx.Client, project: Project
) -> None:
    sim.misbehave(Faults(retry_after=60), ["429_seconds", "429_date"])
    assert client.get(where(project)).headers["Retry-After"] == "60"
    later = parsedate_to_datetime(client.get(where(project)).headers["Retry-After"]) - datetime.now(UTC)
    assert 30 < later.total_seconds() <= 60


def test_spoiled_answers(sim: Simulator, client: httpx.Client, project: Project) -> None:
    good = client.get(where(project)).json()
    sim.misbehave(script=["html", "broken_json", "wrong_id", "missing_field", "oversized", "redirect"])
    page, broken, wrong, missing, oversized, redirect = (client.get(where(project)) for _ in range(6))
    assert page.headers["Content-Type"].startswith("text/html")
    with pytest.raises(ValueError, match="line 1"):
        broken.json()
    assert wrong.json() == good | {"id": project.id[::-1]}
    assert len(set(good) - set(missing.json())) == 1
    assert len(oversized.content) > 1024 * 1024
    assert oversized.json()["id"] == project.id
    assert (redirect.status_code, redirect.is_redirect) == (302, True)


def test_a_dropped_connection_brings_no_answer_and_the_next_one_works(
    sim: Simulator, client: httpx.Client, project: Project
) -> None:
    sim.misbehave(script=["dropped"])
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(where(project))
    assert client.get(where(project)).status_code == 200


def test_a_slow_answer_comes_late_and_does_not_hold_up_others(
    sim: Simulator, client: httpx.Client, project: Project
) -> None:
    sim.misbehave(Faults(slow_seconds=30), ["slow"])
    with pytest.raises(httpx.ReadTimeout):
        client.get(where(project), timeout=0.3)
    assert client.get(where(project)).status_code == 200


def test_rates_are_met_and_the_same_seed_repeats_them(clock: Clock) -> None:
    rates = {"500": 0.2, "html": 0.1, "404": 0.3}

    def met() -> dict[str, int]:
        with running_simulator(SimulatorOptions(seed=5, faults=Faults(rates=rates)), clock) as sim:
            path = where(sim.create(1)[0])
            with httpx.Client(base_url=sim.url, headers={"Authorization": "Bearer any"}, trust_env=False) as http:
                for _ in range(300):
                    http.get(path)
            return sim.stats()["faults"]

    first = met()
    assert first == met()
    assert set(first) == set(rates)
    assert 30 < first["500"] < 90


def test_flapping_comes_in_spells(sim: Simulator, client: httpx.Client, project: Project, clock: Clock) -> None:
    sim.misbehave(Faults(rates={"flapping": 0.5}, spell_seconds=10))
    spells = []
    for _ in range(20):
        statuses = {client.get(where(project)).status_code for _ in range(3)}
        assert len(statuses) == 1  # all alike within a spell
        spells.append(statuses.pop())
        clock.now += 10
    assert set(spells) == {200, 503}


def test_creates_and_the_account_are_spared(sim: Simulator, client: httpx.Client) -> None:
    sim.misbehave(Faults(rates={"500": 1}))
    assert client.get("/v1/account").status_code == 200


def test_the_control_surface_tells_and_changes_how_it_misbehaves(client: httpx.Client, project: Project) -> None:
    answer = client.put("/_simulator/faults", json={"rates": {"503": 0.25}, "retry_after": 9, "next": ["html"]})
    assert answer.status_code == 200
    client.get(where(project))
    told = client.get("/_simulator/faults").json()
    assert (told["rates"], told["retry_after"], told["waiting"], told["met"]) == ({"503": 0.25}, 9, 0, {"html": 1})


def test_a_new_wish_replaces_the_one_before(client: httpx.Client, project: Project) -> None:
    client.put("/_simulator/faults", json={"next": ["html", "500"]})
    assert client.put("/_simulator/faults", json={"next": ["earthquake"]}).status_code == 400
    assert client.get("/_simulator/faults").json()["waiting"] == 2
    client.put("/_simulator/faults", json={})
    assert client.get(where(project)).status_code == 200


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rates": {"502": 0.1}}, "there is no fault 502; there are: 500, 503"),
        ({"rates": {"500": 2}}, "the rate of 500 must be between 0 and 1"),
        ({"rates": {"500": 0.6, "503": 0.6}}, "must not exceed 1 together"),
        ({"rates": {"500": "often"}}, "the rate of 500 must be between 0 and 1"),
        ({"retry_after": 0}, "retry_after must be greater than 0"),
        ({"next": ["earthquake"]}, "there is no fault earthquake"),
        ({"rate": {}}, "unexpected keyword argument"),
        ([], "the body must be JSON like"),
    ],
)
def test_a_wrong_wish_is_refused(client: httpx.Client, wrong: object, said: str) -> None:
    answer = client.put("/_simulator/faults", json=wrong)
    assert answer.status_code == 400
    assert said in answer.json()["message"]


def test_every_fault_has_an_effect(sim: Simulator, client: httpx.Client, project: Project) -> None:
    good = client.get(where(project)).json()
    for fault in FAULTS:
        sim.misbehave(Faults(slow_seconds=30), [fault])
        try:
            answer = client.get(where(project), timeout=0.3)
            spoiled = answer.status_code != 200 or answer.headers["Content-Type"] != "application/json"
            assert spoiled or answer.content != httpx.Response(200, json=good).content
        except httpx.TransportError:
            pass
    assert sim.stats()["faults"] == dict.fromkeys(sorted(FAULTS), 1)


def test_each_request_is_written_down_with_its_key_and_time(
    sim: Simulator, client: httpx.Client, project: Project, clock: Clock
) -> None:
    client.get(where(project))
    clock.now += 5
    client.get(where(project), headers={"Authorization": "Bearer other"})
    client.get("/v1/account", headers={"Authorization": ""})
    start = clock.now - 5
    assert sim.requests() == {
        fingerprint("any"): [start],
        fingerprint("other"): [start + 5],
        fingerprint(""): [start + 5],
    }
    assert fingerprint("any") == sha256(b"any").hexdigest()[:12]
    assert client.get("/_simulator/requests").json() == sim.requests()
