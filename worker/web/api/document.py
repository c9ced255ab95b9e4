"""The OpenAPI document: what the endpoints declare, and what the gate adds to each of them."""

import difflib
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import compile_path

from worker.web.api.access import Reader
from worker.web.problems import MEDIA_TYPE, Problem, ProblemError

router = APIRouter()
_ABOUT: Final = """
Hand over the ids of Magic Hour projects, and read what became of them. Every request needs a token, made with
`renderwatch tokens create`, as `Authorization: Bearer …`. Scopes: `track` hands over projects, `read` reads everything,
`operate` acts. Errors are `application/problem+json`: `code` is for programs, `detail` for people.
"""
_EVERYWHERE: Final = {
    "400": "The request cannot be read",
    "401": "No valid token",
    "403": "The token lacks the scope",
    "408": "The body did not arrive in time",
    "413": "The body is too large",
    "422": "The request can be read, and is wrong",
    "429": "Too many requests: see Retry-After",
    "503": "The database cannot be used now: see Retry-After",
}
_BODY_ONLY: Final = {"400", "408", "413"}


@router.get("/openapi.json", include_in_schema=False)
def read_document(request: Request, caller: Reader) -> JSONResponse:  # noqa: ARG001  the scope
    """Return the OpenAPI document."""
    return JSONResponse(request.app.openapi())


def document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of an application, made once."""
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
    """Return the methods that a path has, by the document."""
    paths = document(app)["paths"]
    found = [path] if path in paths else [each for each in paths if compile_path(each)[0].match(path)]
    return sorted({method.upper() for each in found for method in paths[each]})


def refuse_unknown_parameters(request: Request) -> None:
    """Refuse a parameter that the endpoint does not have, or a second value where there can be one.

    A filter with a typing error would match everything, and which of two values was meant nobody knows.
    """
    paths = document(request.app)["paths"]
    path = request.url.path
    found = [path] if path in paths else [each for each in paths if compile_path(each)[0].match(path)]
    operations = [paths[each][request.method.lower()] for each in found if request.method.lower() in paths[each]]
    parameters = [each for one in operations for each in one.get("parameters", []) if each["in"] == "query"]
    known = {each["name"]: _is_list(each["schema"]) for each in parameters}
    for name in request.query_params:
        if not known.get(name, True) and len(request.query_params.getlist(name)) > 1:
            raise ProblemError(422, "repeated_parameter", f"{name} is given more than once; send one value")
        if operations and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}" if known else ""
            raise ProblemError(422, "unknown_parameter", f"there is no parameter {name[:100]!r} here{hint}")


def _is_list(schema: dict[str, Any]) -> bool:
    return schema.get("type") == "array" or any(each.get("type") == "array" for each in schema.get("anyOf", []))


def _complete(path: str, operation: dict[str, Any]) -> None:
    answers = operation["responses"]
    answers.pop("422", None)
    possible = dict(_EVERYWHERE)
    if "requestBody" not in operation:
        possible = {status: text for status, text in possible.items() if status not in _BODY_ONLY}
    else:
        possible["415"] = "The body is not JSON"
    if "{" in path:
        possible["404"] = "There is none"
    if path == "/v1/projects" and "requestBody" in operation:
        possible["409"] = "It is tracked already, for another account"
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status, text in sorted(possible.items()):
        answers[status] = {"description": text, "content": content}
