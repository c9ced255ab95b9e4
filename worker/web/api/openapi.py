"""The OpenAPI document: what endpoints declare, and the responses that the middleware adds."""

from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import compile_path

from worker.web.api.access import Reader
from worker.web.gate.proxies import root_path_of
from worker.web.problems import MEDIA_TYPE, Problem
from worker.web.strict_query import StrictQueryRoute

router = APIRouter(route_class=StrictQueryRoute)
_ABOUT: Final = """
Track Magic Hour projects by id, and read their state. Every request needs a token, created with
`renderwatch tokens create`, as `Authorization: Bearer …`. Scopes: `track` tracks projects, `read` reads everything,
`operate` performs actions. Errors are `application/problem+json`: `code` is for programs, `detail` for people.
"""
_EVERYWHERE: Final = {
    "400": "The request cannot be read",
    "401": "No valid token",
    "403": "The token lacks the scope",
    "408": "The body did not arrive in time",
    "413": "The body is too large",
    "422": "The request is invalid",
    "429": "Too many requests: see Retry-After",
    "503": "The database is unavailable: see Retry-After",
}
_BODY_ONLY: Final = {"400", "408", "413"}


@router.get("/openapi.json", include_in_schema=False)
def read_document(request: Request, caller: Reader) -> JSONResponse:  # noqa: ARG001  the scope
    """Return the OpenAPI document."""
    below = root_path_of(request.scope)
    servers = {"servers": [{"url": below}]} if below else {}
    return JSONResponse(request.app.openapi() | servers)


def document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of an application, built once."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=_ABOUT.strip(), routes=app.routes)
        components = made.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        schemas["Problem"] = Problem.model_json_schema()
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        made["security"] = [{"token": []}]
        for path, methods in made["paths"].items():
            for operation in methods.values():
                _complete(path, operation)
        app.openapi_schema = made
    return app.openapi_schema


def methods_of(app: FastAPI, path: str) -> list[str]:
    """Return the methods of a path, according to the document."""
    paths = document(app)["paths"]
    found = [path] if path in paths else [each for each in paths if compile_path(each)[0].match(path)]
    return sorted({method.upper() for each in found for method in paths[each]})


def _without_null(parameter: dict[str, Any]) -> None:
    """Say that a parameter in a URL is left out or has a value: there is no way to write null there."""
    options = [option for option in parameter["schema"].pop("anyOf", ()) if option != {"type": "null"}]
    if len(options) == 1:
        parameter["schema"] |= options[0]
    elif options:
        parameter["schema"]["anyOf"] = options


def _complete(path: str, operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", ()):
        _without_null(parameter)
    answers = operation["responses"]
    answers.pop("422", None)
    possible = dict(_EVERYWHERE)
    if "requestBody" not in operation:
        possible = {status: text for status, text in possible.items() if status not in _BODY_ONLY}
    else:
        possible["415"] = "The body is not JSON"
    if path == "/v1/projects" and "requestBody" not in operation:
        possible["400"] = "The cursor is not valid"
    if "{" in path or path == "/v1/events" or path.startswith("/v1/destinations/"):
        possible["404"] = "It does not exist"
    if path == "/v1/projects" and "requestBody" in operation:
        possible["409"] = "It is already tracked for another account"
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status, text in sorted(possible.items()):
        answers[status] = {"description": text, "content": content}
