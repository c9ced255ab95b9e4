"""Routes that refuse query parameters that they do not have: a misspelled filter would match everything."""

import difflib
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, get_args, get_origin

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from worker.web.problems import ProblemError


class StrictQueryRoute(APIRoute):
    """A route that refuses unknown query parameters, and a second value where only one is possible."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler, preceded by the check."""
        handle = super().get_route_handler()
        known = {field.alias: _is_list(field.field_info.annotation) for field in _parameters(self.dependant)}

        async def check_first(request: Request) -> Response:
            _check(request, known)
            return await handle(request)

        return check_first


def _parameters(dependant: Any) -> Iterator[Any]:  # noqa: ANN401  FastAPI's own, which it does not export
    """Yield the query parameters of an endpoint and of what it depends on."""
    yield from dependant.query_params
    for each in dependant.dependencies:
        yield from _parameters(each)


def _check(request: Request, known: Mapping[str, bool]) -> None:
    for name in request.query_params:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}" if known else ""
            raise ProblemError(422, "unknown_parameter", f"there is no parameter {name[:100]!r} here{hint}")
        if not known[name] and len(request.query_params.getlist(name)) > 1:
            raise ProblemError(422, "repeated_parameter", f"{name} is given more than once; send one value")


def _is_list(annotation: object) -> bool:
    return any(get_origin(each) is list for each in (annotation, *get_args(annotation)))
