import json

from tests.cli.conftest import Run

COMPLETED, FAILED, ALL = ("celery:studio.on_render?queue=studio", "celery:studio.on_failure", "celery:audit.all")
ROUTES = json.dumps({"project.completed": [COMPLETED, ALL], "project.failed": [FAILED], "*": [ALL]})
ID = "cmb1xk2v80000l70"


def goes(checks: list[dict[str, object]]) -> dict[object, object]:
    return {check["destination"]: check["because"] for check in checks if check["goes"]}


def test_an_event_goes_where_its_type_or_every_type_is_sent_and_nowhere_else(run: Run) -> None:
    checks = run("routes", "test", "--event", "project.completed", "--json", RENDERWATCH_ROUTES=ROUTES).json
    assert goes(checks) == {
        COMPLETED: "RENDERWATCH_ROUTES sends project.completed there",
        ALL: "RENDERWATCH_ROUTES sends project.completed there; RENDERWATCH_ROUTES sends every event there",
    }
    [other] = [check for check in checks if not check["goes"]]
    assert other["destination"] == FAILED
    assert other["because"] == "RENDERWATCH_ROUTES sends project.failed there, not project.completed"


def test_a_projects_own_destinations_count_for_it_alone(run: Run) -> None:
    allowed = {"RENDERWATCH_NOTIFY_ALLOW": '["celery:shop.*"]', "RENDERWATCH_ROUTES": ROUTES}
    item = {"kind": "video", "project_id": ID, "notify": {"project.settled": ["celery:shop.bill"]}}
    assert run("track", json.dumps(item), **allowed).code == 0
    said = run("routes", "test", ID, "--event", "project.settled", "--json", **allowed)
    assert goes(said.json) == {
        "celery:shop.bill": "the project's notify sends project.settled there",
        ALL: "RENDERWATCH_ROUTES sends every event there",
    }
    everything = run("routes", "test", ID, **allowed)
    assert everything.out.count("celery:shop.bill") == 11  # one line for each type of event
    assert "the project's notify sends project.settled there, not project.started" in everything.out


def test_a_route_with_filters_says_what_it_asks_for_and_what_the_project_is(run: Run) -> None:
    rules = {"project.*?kind=video": [COMPLETED], "*?metadata.customer=acme": [ALL], "*?type=FACE_SWAP": [FAILED]}
    routes = {"RENDERWATCH_ROUTES": json.dumps(rules)}
    checks = run("routes", "test", "--event", "project.settled", "--json", **routes).json
    assert [check["goes"] for check in checks] == [None] * 3
    assert checks[0]["because"] == "RENDERWATCH_ROUTES sends project.* there only if kind=video"
    item = {"kind": "video", "project_id": ID, "metadata": {"customer": "other"}}
    assert run("track", json.dumps(item), **routes).code == 0
    found = run("routes", "test", ID, "--event", "project.settled", "--json", **routes).json
    assert {check["destination"]: (check["goes"], check["because"]) for check in found} == {
        COMPLETED: (True, "RENDERWATCH_ROUTES sends project.* there only if kind=video, as here"),
        ALL: (
            False,
            "RENDERWATCH_ROUTES sends every event there only if metadata.customer=acme, but metadata.customer is other",
        ),
        FAILED: (False, "RENDERWATCH_ROUTES sends every event there only if type=FACE_SWAP, but type is not set"),
    }


def test_no_route_at_all_is_said_with_what_shows_events_all_the_same(run: Run) -> None:
    said = run("routes", "test", "--event", "project.completed")
    assert "names no destination" in said.out
    assert "renderwatch listen" in said.out
    assert "is not tracked; run: renderwatch track" in run("routes", "test", ID).err
    assert run("routes", "test").code == 2
