"""One GET for one project, with every way in which it can go wrong turned into an answer."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Self, TypeVar

import requests
from pydantic_core import from_json

from worker.domain.identifiers import is_api_key, is_project_id
from worker.domain.observation import Answer, Problem, Trouble
from worker.domain.status import Kind
from worker.magic_hour.payload import BadPayloadError, parse_balance, parse_project
from worker.magic_hour.transport import OK, Reply, TooMuchError, Transport, Way, make_sender

_T = TypeVar("_T")
_HEADERS: Final = {"Accept": "application/json", "User-Agent": "renderwatch"}

_PROBLEMS: Final[Mapping[int, tuple[Problem, str]]] = {
    400: (Problem.REFUSED, "the API refuses this request (400)"),
    401: (Problem.UNAUTHORIZED, "the API does not accept the account's key (401)"),
    402: (Problem.PAYMENT_REQUIRED, "the API asks the account to pay first (402)"),
    403: (Problem.UNAUTHORIZED, "the API forbids this with the account's key (403)"),
    404: (Problem.NOT_FOUND, "the API does not know this project (404)"),
    408: (Problem.UNAVAILABLE, "the API timed out (408)"),
    422: (Problem.REFUSED, "the API refuses this request (422)"),
    429: (Problem.RATE_LIMITED, "the API asks for fewer requests (429)"),
}


class MagicHourClient:
    """Asks the Magic Hour API for projects with one account's key. May be used by several threads at once.

    ``timeout`` is in seconds and bounds connecting, each wait for data, and the whole answer; ``connections`` is how
    many are kept open. Redirects are never followed, because they would carry the key elsewhere. Of the environment,
    proxies and certificates count, and are read once.

    Raises ValueError for a key that no header can carry.
    """

    def __init__(
        self, base_url: str, key: str, *, timeout: float, connections: int, transport: Transport = "auto"
    ) -> None:
        """Prepare a pool of connections and a request; nothing is sent yet."""
        if not is_api_key(key):  # found out later, it would stand in the error's text
            raise ValueError("an API key is letters, digits and signs, without spaces or newlines")
        base_url = base_url.rstrip("/")
        session = requests.Session()
        environment = session.merge_environment_settings(base_url, {}, None, None, None)
        session.trust_env = False  # a .netrc file must not replace the key
        headers = _HEADERS | {"Authorization": f"Bearer {key}"}
        request = session.prepare_request(requests.Request("GET", base_url, headers=headers))
        way = Way(
            base_url=base_url,
            headers=request.headers,
            timeout=timeout,
            connections=connections,
            verify=environment["verify"] is None or environment["verify"],
            proxies=environment["proxies"],
        )
        self._sender = make_sender(transport, way)

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._sender.close()

    def get_project(self, kind: Kind, project_id: str) -> Answer:
        """Ask for one project: the observation, or what went wrong. Raises nothing for what the network does."""
        if not is_project_id(project_id):
            return Trouble(Problem.REFUSED, "this id cannot be a Magic Hour project id")
        body = self._get(f"/v1/{kind}-projects/{project_id}")
        return body if isinstance(body, Trouble) else _read(body, project_id)

    def account_problem(self) -> Trouble | None:
        """Ask for the account itself, and return what is wrong with the key or the way to the API, if anything is."""
        body = self._get("/v1/account")
        return body if isinstance(body, Trouble) else None

    def get_balance(self) -> int | Trouble:
        """Ask how many credits the account can spend."""
        body = self._get("/v1/account")
        return body if isinstance(body, Trouble) else _decoded(body, parse_balance)

    def _get(self, path: str) -> bytes | Trouble:
        try:
            reply = self._sender.get(path)
        except TooMuchError as error:
            return Trouble(Problem.BAD_ANSWER, str(error))
        except requests.RequestException as error:
            return Trouble(Problem.UNAVAILABLE, f"no answer from the API ({type(error).__name__})")
        return reply.body if reply.status == OK else _refusal(reply)


def _read(body: bytes, project_id: str) -> Answer:
    return _decoded(body, lambda decoded: parse_project(decoded, project_id))


def _decoded(body: bytes, parse: Callable[[object], _T]) -> _T | Trouble:
    try:
        return parse(_json(body))
    except BadPayloadError as error:
        return Trouble(Problem.BAD_ANSWER, str(error))
    except (ValueError, RecursionError):
        return Trouble(Problem.BAD_ANSWER, "the answer is not JSON")


def _json(body: bytes) -> object:
    """Decode JSON with pydantic's parser, and what that refuses, like half a surrogate pair, with the slower one."""
    try:
        return from_json(body)
    except ValueError:
        return json.loads(body)


def _refusal(reply: Reply) -> Trouble:
    status = reply.status
    if status in _PROBLEMS:
        problem, detail = _PROBLEMS[status]
        return Trouble(problem, detail, _retry_after(reply.retry_after))
    if status >= 500:  # noqa: PLR2004  every server error, known or not
        return Trouble(Problem.UNAVAILABLE, f"the API is in trouble ({status})", _retry_after(reply.retry_after))
    return Trouble(Problem.BAD_ANSWER, f"an answer that the API should not give ({status})")


def _retry_after(value: str) -> float | None:
    """Seconds to wait, from a Retry-After header with seconds or a date (RFC 9110, section 10.2.3)."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError, IndexError):  # the last two for what nobody would call a date
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
