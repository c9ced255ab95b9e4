"""The steps of each client call, without I/O; the synchronous and the asynchronous client carry them out."""

import json
import random
import time
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar, get_args
from urllib.parse import quote

from worker.client.base_errors import InvalidInputError
from worker.client.errors import RETRIED, WaitTimeoutError, error_of
from worker.client.projects import Project, Tracked, TrackedMany, combine, requests_of, split

Until = Literal["finished", "settled"]
ATTEMPTS: Final = 5
_LONGEST_PAUSE: Final = 30.0
# The API holds a request for at most 60 seconds, but proxies often close connections idle for that long.
_HELD: Final = 25.0
_FIRST_LOOK: Final = 1.0
_LONGEST_LOOK: Final = 60.0


@dataclass(frozen=True, slots=True)
class Call:
    """A request to be sent."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: object = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Seconds to wait before the next step."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    """A response. If there was none, ``status`` is 0 and ``body`` says why."""

    status: int
    body: bytes
    retry_after: str | None = None


T = TypeVar("T")
Steps = Generator[Call | Pause, Reply | None, T]


def track(request: Mapping[str, Any]) -> Steps[Tracked]:
    """Track one project."""
    return Tracked.model_validate((yield from _ask(Call("POST", "/v1/projects", body=request))))


def track_many(projects: Iterable[object], kind: str | None) -> Steps[TrackedMany]:
    """Track many projects, in as many requests as the API's limits require."""
    positions, requests, rejected = requests_of(projects, kind)
    parts = []
    for start, part in split(requests):
        answer = yield from _ask(Call("POST", "/v1/projects/bulk", body={"projects": part}))
        parts.append((start, TrackedMany.model_validate(answer)))
    done = combine(parts)
    rejected += [one.model_copy(update={"position": positions[one.position]}) for one in done.rejected]
    return done.model_copy(update={"rejected": sorted(rejected, key=lambda one: one.position)})


def get(kind: str, project_id: str, params: Mapping[str, str] | None = None) -> Steps[Project]:
    """Read a project."""
    path = f"/v1/projects/{quote(kind, safe='')}/{quote(project_id, safe='')}"
    return Project.model_validate((yield from _ask(Call("GET", path, params or {}))))


def wait(kind: str, project_id: str, until: Until, timeout: float | None) -> Steps[Project]:
    """Wait for a project: the API holds the request while the render runs; while the project settles, it is polled."""
    if until not in get_args(Until):
        raise InvalidInputError(f"until is {until!r}; it must be finished or settled")
    deadline = None if timeout is None else time.monotonic() + timeout
    project = yield from get(kind, project_id)
    look = _FIRST_LOOK
    while not (project.is_finished if until == "finished" else project.is_settled):
        left = _HELD if deadline is None else deadline - time.monotonic()
        if left <= 0:
            raise WaitTimeoutError(project, until)
        if project.is_finished:
            yield Pause(min(look, _LONGEST_LOOK if deadline is None else left))
            look = min(look * 1.5, _LONGEST_LOOK)
            project = yield from get(kind, project_id)
        else:
            seen = {} if project.status is None else {"seen": project.status}
            project = yield from get(kind, project_id, {"wait": f"{min(left, _HELD):.3f}", **seen})
    return project


def _ask(call: Call) -> Steps[Any]:
    """Send a request, with retries, because all our requests are safe to repeat. Returns the decoded response."""
    attempt = 0
    while True:
        attempt += 1
        reply = yield call
        assert reply is not None  # noqa: S101  a Call is answered, a Pause is not; this narrows the type
        if reply.status not in RETRIED or attempt == ATTEMPTS:
            break
        yield Pause(pause(attempt, reply.retry_after))
    return answer_of(reply, f"{call.method} {call.path}")


def answer_of(reply: Reply, sent_to: str) -> Any:  # noqa: ANN401  any JSON value
    """Return the decoded body of a reply. Raises ApiError for anything but a success."""
    try:
        body = json.loads(reply.body)
    except ValueError:
        body = None
    if reply.status == 0:
        body = {"code": "no_answer", "detail": f"{sent_to}: {reply.body.decode(errors='replace')}"}
    if not 200 <= reply.status < 300 or not isinstance(body, dict):  # noqa: PLR2004  success
        raise error_of(reply.status, body, sent_to)
    return body


def pause(attempt: int, retry_after: str | None = None) -> float:
    """Return the seconds before the next attempt: as the API asks, or else with exponential back-off."""
    if retry_after and retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after), _LONGEST_PAUSE)
    return random.uniform(0.5, 1) * min(0.5 * 2.0 ** min(attempt, 10), _LONGEST_PAUSE)  # noqa: S311  spreads load
