import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from worker.simulator import SimulatorOptions
from worker.simulator.lifecycle.catalogue import CATALOGUE
from worker.simulator.lifecycle.create_request import CreateRequest
from worker.simulator.lifecycle.projects import SimulatorFullError
from worker.simulator.simulation import Simulation

from .clock import Clock

VIDEO = CATALOGUE["/v1/text-to-video"]


def test_the_same_seed_and_creates_give_the_same_run() -> None:
    runs = []
    for seed in (7, 7, 8):
        simulation = Simulation(SimulatorOptions(seed=seed), Clock())
        simulation.create(50)
        simulation.projects.create(VIDEO, CreateRequest())
        runs.append(simulation.record())
    assert runs[0] == runs[1]
    assert not {record["id"] for record in runs[0]} & {record["id"] for record in runs[2]}


def test_ids_look_like_the_api_s_and_differ() -> None:
    simulation = Simulation(SimulatorOptions(), Clock())
    ids = {project.id for project in simulation.create(5000)}
    assert len(ids) == 5000
    assert all(re.fullmatch(r"c[a-z0-9]{24}", one) for one in ids)


def test_without_a_path_every_endpoint_has_its_turn() -> None:
    made = Simulation(SimulatorOptions(), Clock()).create(len(CATALOGUE))
    assert {project.endpoint.path for project in made} == set(CATALOGUE)


def test_the_record_tells_what_has_happened_and_how_it_ends() -> None:
    clock = Clock()
    options = SimulatorOptions(failure_rate=1, cancel_rate=0, late_refund_rate=1, no_refund_rate=0)
    simulation = Simulation(options, clock)
    [project] = simulation.create(1, VIDEO.path)
    [at_first] = simulation.record()
    clock.now = at_first["final"]["settled_at"] + 1
    [in_the_end] = simulation.record()
    assert at_first["timeline"] == in_the_end["timeline"][:1]
    assert at_first["final"] == in_the_end["final"]
    assert [change["status"] for change in in_the_end["timeline"]] == ["queued", "rendering", "error", "error"]
    assert in_the_end["timeline"][-1] == {
        "at": project.settles_at,
        "status": in_the_end["final"]["status"],
        "credits_charged": in_the_end["final"]["credits_charged"],
    }


def test_a_deleted_project_stands_still() -> None:
    clock = Clock()
    simulation = Simulation(SimulatorOptions(), clock)
    [project] = simulation.create(1, VIDEO.path)
    assert simulation.projects.delete("video", project.id)
    clock.now += 1_000_000
    assert simulation.projects.delete("video", project.id)
    [record] = simulation.record()
    assert project.at(clock.now).status == record["final"]["status"] == "queued"
    assert record["deleted_at"] == record["final"]["settled_at"] == record["created_at"]
    assert len(record["timeline"]) == 1


def test_the_first_to_settle_is_forgotten_when_there_is_no_room() -> None:
    clock = Clock()
    simulation = Simulation(SimulatorOptions(max_projects=3), clock)
    first_to_settle, *others = sorted(simulation.create(3), key=lambda project: project.settles_at)
    with pytest.raises(SimulatorFullError):
        simulation.create(1)
    clock.now = first_to_settle.settles_at
    spent = simulation.projects.credits_charged()
    [new] = simulation.create(1)
    assert {record["id"] for record in simulation.record()} == {*(project.id for project in others), new.id}
    assert simulation.projects.read(first_to_settle.endpoint.kind, first_to_settle.id) is None
    assert simulation.projects.credits_charged() == spent + new.at(clock.now).credits_charged


def test_more_than_ever_fit_are_refused_and_nothing_is_forgotten() -> None:
    clock = Clock()
    simulation = Simulation(SimulatorOptions(max_projects=3), clock)
    simulation.create(3)
    clock.now += 1_000_000
    with pytest.raises(SimulatorFullError):
        simulation.create(4)
    assert len(simulation.projects) == 3


def test_threads_do_not_step_on_each_other() -> None:
    simulation = Simulation(SimulatorOptions(), Clock())
    [project] = simulation.create(1, VIDEO.path)

    def work(_turn: int) -> None:
        simulation.create(10)
        for _ in range(100):
            simulation.projects.read("video", project.id)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    assert [record["number"] for record in simulation.record()] == list(range(1, 402))
    assert project.requests == 4000


def test_every_final_is_the_end_of_the_life_whatever_floats_make_of_its_moment() -> None:
    simulation = Simulation(SimulatorOptions(time_scale=40), Clock())
    projects = simulation.create(500)
    finals = {record["id"]: record["final"]["status"] for record in simulation.record()}
    assert finals == {project.id: project.life.last.status for project in projects}
