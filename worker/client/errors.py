"""The errors of the client, and what to do about each."""

from typing import Final

from worker.client.base_errors import RenderwatchError
from worker.client.projects import Project

_ANSWERED_BY_SOMETHING_ELSE: Final = "no answer of Renderwatch's API; check the URL, and the proxies on the way"


class ApiError(RenderwatchError):
    """The API refused a request.

    ``status`` is the HTTP status, 0 if there was no answer. ``code`` names the problem for programs and stays the same;
    the text is for people and says what to do.
    """

    def __init__(self, status: int, code: str, detail: str) -> None:
        """Build the message."""
        super().__init__(detail)
        self.status = status
        self.code = code


class TokenError(ApiError):
    """The token is missing, wrong, revoked or expired, or lacks a scope."""


class NotTrackedError(ApiError):
    """The project is not tracked."""


class RejectedError(ApiError):
    """The request is wrong, or the project is tracked for another account. Sending it again will not help."""


class UnavailableError(ApiError):
    """The API did not respond, or was unavailable, despite several attempts. Try again later."""


class InvalidSignatureError(RenderwatchError):
    """A webhook is not signed with the secret, or its signature is older than five minutes."""


class WaitTimeoutError(RenderwatchError, TimeoutError):
    """The time for waiting is over; ``project`` is as it was last seen. It is still tracked: wait again."""

    def __init__(self, project: Project, until: str) -> None:
        """Build the message from the project's state."""
        super().__init__(
            f"{project.kind} {project.project_id} has not {until} yet: status {project.status or 'not seen yet'},"
            f" state {project.state}. It is still tracked; wait again, or receive its events"
        )
        self.project = project


def error_of(status: int, problem: object, sent_to: str) -> ApiError:
    """Return the error for an answer of 400 or higher, or for none (0): ``problem`` is its decoded body."""
    if not isinstance(problem, dict) or not isinstance(problem.get("code"), str):
        detail = f"{sent_to}: HTTP {status}, {_ANSWERED_BY_SOMETHING_ELSE}"
        return (UnavailableError if status in RETRIED else ApiError)(status, "not_renderwatch", detail)
    code, detail = problem["code"], str(problem.get("detail"))
    return _class_of(status, code)(status, code, detail)


# Worth a retry: no response, too many requests, a gateway without a backend.
RETRIED: Final = frozenset({0, 429, 502, 503, 504})
_CLASSES: Final[dict[int, type[ApiError]]] = {
    401: TokenError,
    403: TokenError,
    409: RejectedError,
    413: RejectedError,
    422: RejectedError,
}


def _class_of(status: int, code: str) -> type[ApiError]:
    if status in RETRIED:
        return UnavailableError
    return NotTrackedError if code == "not_tracked" else _CLASSES.get(status, ApiError)
