"""What an endpoint declares: the scope that it needs, and the body that it reads."""

import json
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

from fastapi import Depends
from starlette.requests import Request

from worker.domain.tokens import Scope
from worker.store.tokens import Caller
from worker.web.context import Web, web_of
from worker.web.gate import caller_of
from worker.web.problems import ProblemError

TheWeb = Annotated[Web, Depends(web_of)]


def _needs(scope: Scope) -> Callable[[Request], Caller]:
    def check(request: Request) -> Caller:
        caller = caller_of(request.scope)
        if not caller.may(scope):
            raise ProblemError(
                403,
                "scope_missing",
                f"the token {caller.name!r} has the scopes {', '.join(sorted(caller.scopes)) or 'none'}; "
                f"this needs {scope}: renderwatch tokens create NAME --scope {scope}",
            )
        return caller

    return check


Tracker = Annotated[Caller, Depends(_needs("track"))]
Reader = Annotated[Caller, Depends(_needs("read"))]
Operator = Annotated[Caller, Depends(_needs("operate"))]


def actor(caller: Caller) -> str:
    """Return how the audit log names somebody who used the API."""
    return f"{caller.name} (API)"


async def _json_body(request: Request) -> object:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ProblemError(415, "not_json", "send JSON, with Content-Type: application/json")
    try:
        return json.loads(await request.body(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, json.JSONDecodeError) else "it cannot be read"
        raise ProblemError(400, "not_json", f"the body is no JSON: {reason}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


JsonBody = Annotated[Any, Depends(_json_body)]
