"""One GET for one project, with every way in which it can go wrong turned into an answer."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Self, TypeVar

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from worker.domain.identifiers import is_api_key, is_project_id
from worker.domain.observation import Answer, Problem, Trouble
from worker.domain.status import Kind
from worker.magic_hour.payload import BadPayloadError, parse_balance, parse_project

MAX_BODY: Final = 1024 * 1024
_CHUNK: Final = 64 * 1024
_OK: Final = 200
_T = TypeVar("_T")

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


class BearerKey(AuthBase):
    """Puts the key into the request. Being set explicitly, it also keeps a .netrc file from replacing it."""

    def __init__(self, key: str) -> None:
        """Keep the key; nothing prints it."""
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


class _Session(requests.Session):
    """A session that does not even look where a redirect leads: requests reads its body and its target otherwise."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Give no target."""


class MagicHourClient:
    """Asks the Magic Hour API for projects with one account's key. May be used by several threads at once.

    ``timeout`` is in seconds and bounds connecting, each wait for data, and the whole answer; ``connections`` is how
    many are kept open. Redirects are never followed, because they would carry the key elsewhere.

    Raises ValueError for a key that no header can carry.
    """

    def __init__(self, base_url: str, key: str, *, timeout: float, connections: int) -> None:
        """Prepare a pool of connections; nothing is sent yet."""
        if not is_api_key(key):  # found out later, it would stand in the error's text
            raise ValueError("an API key is letters, digits and signs, without spaces or newlines")
        self._base_url = base_url.rstrip("/")
        self._timeout = timeout
        self._session = _Session()
        self._session.auth = BearerKey(key)
        self._session.headers.update({"Accept": "application/json", "User-Agent": "renderwatch"})
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connections, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

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
        deadline = time.monotonic() + self._timeout
        try:
            with self._session.get(
                self._base_url + path, timeout=self._timeout, allow_redirects=False, stream=True
            ) as response:
                return _body(response, deadline) if response.status_code == _OK else _refusal(response)
        except _TooMuchError as error:
            return Trouble(Problem.BAD_ANSWER, str(error))
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            return Trouble(Problem.UNAVAILABLE, f"no answer from the API ({type(error).__name__})")


class _TooMuchError(Exception):
    """The answer is longer than any good one."""


def _body(response: requests.Response, deadline: float) -> bytes:
    body = bytearray()
    # Unlike iter_content, read1 returns what there is: an answer that comes in drops meets the deadline.
    while chunk := response.raw.read1(_CHUNK, decode_content=True):
        body += chunk
        if len(body) > MAX_BODY:
            raise _TooMuchError("the answer is larger than 1 MiB")
        if time.monotonic() > deadline:
            raise requests.Timeout
    return bytes(body)


def _read(body: bytes, project_id: str) -> Answer:
    return _decoded(body, lambda decoded: parse_project(decoded, project_id))


def _decoded(body: bytes, parse: Callable[[object], _T]) -> _T | Trouble:
    try:
        return parse(json.loads(body))
    except BadPayloadError as error:
        return Trouble(Problem.BAD_ANSWER, str(error))
    except (ValueError, RecursionError):
        return Trouble(Problem.BAD_ANSWER, "the answer is not JSON")


def _refusal(response: requests.Response) -> Trouble:
    status = response.status_code
    if status in _PROBLEMS:
        problem, detail = _PROBLEMS[status]
        return Trouble(problem, detail, _retry_after(response))
    if status >= 500:  # noqa: PLR2004  every server error, known or not
        return Trouble(Problem.UNAVAILABLE, f"the API is in trouble ({status})", _retry_after(response))
    return Trouble(Problem.BAD_ANSWER, f"an answer that the API should not give ({status})")


def _retry_after(response: requests.Response) -> float | None:
    """Seconds to wait, from a Retry-After header with seconds or a date (RFC 9110, section 10.2.3)."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError, IndexError):  # the last two for what nobody would call a date
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
