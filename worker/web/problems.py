"""Errors of the HTTP API, as problem+json (RFC 9457): what happened, to what, and what to do next."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

MEDIA_TYPE: Final = "application/problem+json"


class Problem(BaseModel):
    """What went wrong. ``code`` is for programs and stays the same; ``detail`` is for people."""

    type: str = "about:blank"
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    code: str = Field(examples=["not_tracked"])
    detail: str = Field(examples=["video cmb1xk2v80000l70 is not tracked; send it to POST /v1/projects"])


class ProblemError(Exception):
    """Raised anywhere in an endpoint to respond with a problem."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        """Create the error."""
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})


def problem_response(
    status: int,
    code: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **more: Any,  # noqa: ANN401  any JSON value
) -> JSONResponse:
    """Return the response that describes a problem."""
    problem = Problem(title=HTTPStatus(status).phrase, status=status, code=code, detail=detail)
    return JSONResponse(problem.model_dump() | more, status, headers, media_type=MEDIA_TYPE)
