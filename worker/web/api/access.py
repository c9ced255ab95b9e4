"""Dependencies of endpoints: the scope that they need, and the JSON body."""

import json
import re
from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import Depends
from starlette.requests import Request

from worker.domain.access_tokens import Scope
from worker.domain.intake import bounded_json
from worker.store.access_tokens import Caller
from worker.web.gate.middleware import caller_of
from worker.web.problems import ProblemError
from worker.web.state import Web, web_of

_CHARSETS: Final = {"utf-8", "utf8", "us-ascii"}
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
MetricsReader = Annotated[Caller, Depends(_needs("metrics"))]


def actor(caller: Caller) -> str:
    """Return a caller's name in the audit log."""
    return f"{caller.name} (API)"


async def _json_body(request: Request) -> object:
    kind, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    if kind.strip() != "application/json":
        raise ProblemError(415, "not_json", "send JSON, with Content-Type: application/json")
    charset = re.search(r"""charset\s*=\s*["']?([^\s;"']*)""", parameters)
    if charset and charset[1] not in _CHARSETS:
        raise ProblemError(415, "not_json", "send JSON in UTF-8; other charsets are not accepted")
    if request.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise ProblemError(415, "not_json", "send the body uncompressed, without Content-Encoding")
    try:
        return bounded_json.loads(await request.body())
    except bounded_json.RepeatedKeyError as error:
        raise ProblemError(400, "bad_request", str(error)) from None
    except ValueError as error:
        reason = str(error) if isinstance(error, json.JSONDecodeError) else "it cannot be read"
        raise ProblemError(400, "not_json", f"the body is not valid JSON: {reason}") from None


JsonBody = Annotated[Any, Depends(_json_body)]
