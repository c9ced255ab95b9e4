"""A query parameter that an endpoint does not have is refused: a misspelled filter would match everything."""

import re

import httpx

from tests.web.conftest import inner_app
from tests.web.test_api_projects import problem
from worker.settings import Settings
from worker.store.engine import Database
from worker.web.api.openapi import document
from worker.web.app import create_app

OPERATIONS = [
    (method, path)
    for path, methods in document(inner_app(create_app(Settings(), Database("sqlite://"))))["paths"].items()
    for method in methods
    if path.startswith("/v1")
]
VALUES = {"kind": "video", "project_id": "cmb1xk2v80000l70", "number": "1", "name": "default"}


def test_every_endpoint_refuses_an_unknown_parameter(api: httpx.Client) -> None:
    for method, path in [*OPERATIONS, ("get", "/v1/openapi.json")]:
        url = re.sub(r"{(\w+)}", lambda match: VALUES[match[1]], path)
        answered = api.request(method, url, params={"no_such_parameter": "1"})
        assert "there is no parameter 'no_such_parameter' here" in problem(answered, 422, "unknown_parameter"), path


def test_the_refusal_suggests_a_near_match_or_lists_what_there_is(api: httpx.Client) -> None:
    near = api.get("/v1/projects", params={"statsu": "error"})
    assert problem(near, 422, "unknown_parameter") == "there is no parameter 'statsu' here; did you mean status?"
    far = api.get("/v1/deliveries", params={"q": "x"})
    assert problem(far, 422, "unknown_parameter").endswith(
        "; there are before, limit, event, kind, project_id, destination, type, state, since, until"
    )


def test_a_second_value_is_refused_where_only_one_is_possible(api: httpx.Client) -> None:
    twice = api.get("/v1/projects?limit=1&limit=2")
    assert problem(twice, 422, "repeated_parameter") == "limit is given more than once; send one value"
    assert api.get("/v1/projects?status=error&status=complete").status_code == 200
    assert api.get("/v1/projects?kind=video&kind=image").status_code == 200
