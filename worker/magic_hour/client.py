"""Requests for projects, with every failure turned into a CheckFailure."""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Final, Self, TypeVar

import requests

from worker.domain.intake.identifiers import is_api_key, is_project_id
from worker.domain.projects.observation import Answer, CheckFailure, FailureKind
from worker.domain.projects.status import Kind
from worker.domain.scheduling.retry_after import seconds_of
from worker.magic_hour.payload import BadPayloadError, parse_balance, parse_project
from worker.magic_hour.response_body import decode, is_web_page, json_object, message_of, tidy, title_of
from worker.magic_hour.sender import (
    OK,
    ApiConfig,
    MisconfiguredError,
    Outcome,
    Reply,
    ResponseTooLargeError,
    Sender,
    Transport,
)
from worker.magic_hour.transport import make_sender

_T = TypeVar("_T")
WRONG_BASE_URL: Final = "a wrong base URL"
_HEADERS: Final = {"Accept": "application/json", "User-Agent": "renderwatch"}

_NO_ID: Final = CheckFailure(FailureKind.REFUSED, "this id cannot be a Magic Hour project id")

_PROBLEMS: Final[Mapping[int, tuple[FailureKind, str]]] = {
    400: (FailureKind.REFUSED, "the API refuses this request (400)"),
    401: (FailureKind.UNAUTHORIZED, "the API does not accept the account's key (401)"),
    402: (FailureKind.PAYMENT_REQUIRED, "the API asks the account to pay first (402)"),
    403: (FailureKind.UNAUTHORIZED, "the API forbids this with the account's key (403)"),
    404: (FailureKind.NOT_FOUND, "the API does not find this (404)"),
    407: (
        FailureKind.UNAVAILABLE,
        "the proxy does not accept our credentials (407); they are in the URL that HTTPS_PROXY or ALL_PROXY names",
    ),
    408: (FailureKind.UNAVAILABLE, "the API timed out (408)"),
    422: (FailureKind.REFUSED, "the API refuses this request (422)"),
    429: (FailureKind.RATE_LIMITED, "the API asks for fewer requests (429)"),
}
# Statuses that count only with JSON or without a body: a proxy, a log-in page or a bot challenge sends the
# same with a web page, which says nothing about the key or the project.
_BLAMING: Final = frozenset({400, 401, 402, 403, 404, 422})


class MagicHourClient:
    """Requests projects from the Magic Hour API with one account's key. Thread-safe.

    ``timeout`` is in seconds and limits connecting, each wait for data, and the whole response; ``connections`` is how
    many connections are opened at most and kept open. Redirects are not followed: they would leak the key. From
    the environment, proxies and certificates count, and are read once.

    Raises ValueError for a key that no header can carry.
    """

    def __init__(
        self, base_url: str, key: str, *, timeout: float, connections: int, transport: Transport = "auto"
    ) -> None:
        """Prepare a connection pool; do not connect yet."""
        if not is_api_key(key):  # later errors would contain it
            raise ValueError("an API key must be printable ASCII without spaces or newlines")
        self._key = key
        base_url = base_url.rstrip("/")
        session = requests.Session()
        environment = session.merge_environment_settings(base_url, {}, None, None, None)
        session.trust_env = False  # a .netrc file must not replace the key
        headers = _HEADERS | {"Authorization": f"Bearer {key}"}
        request = session.prepare_request(requests.Request("GET", base_url, headers=headers))
        self._config = ApiConfig(
            base_url=base_url,
            headers=request.headers,
            timeout=timeout,
            connections=connections,
            verify=environment["verify"] is None or environment["verify"],
            proxies=environment["proxies"],
        )
        self._transport: Transport = transport
        self._sender: Sender | None = None
        self._making = threading.Lock()
        with suppress(MisconfiguredError):  # each check reports it until it is fixed
            self._ready()

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if self._sender is not None:
            self._sender.close()

    def get_project(self, kind: Kind, project_id: str) -> Answer:
        """Request one project. Returns an observation or a failure; network errors are not raised."""
        if not is_project_id(project_id):
            return _NO_ID
        return self._ask(_path(kind, project_id), partial(parse_project, project_id=project_id))

    def get_projects(self, asked: Sequence[tuple[Kind, str]], latest_start: float) -> dict[int, tuple[Answer, float]]:
        """Request many projects concurrently. Returns each result with its seconds, by position in ``asked``.

        No request starts after ``latest_start``, a time of the monotonic clock; the rest are omitted.
        """
        answers: dict[int, tuple[Answer, float]] = {}
        good: list[int] = []
        for position, (_, project_id) in enumerate(asked):
            if is_project_id(project_id):
                good.append(position)
            else:
                answers[position] = (_NO_ID, 0.0)

        def on_outcome(place: int, outcome: Outcome, seconds: float) -> None:
            position = good[place]
            project_id = asked[position][1]
            answers[position] = (self._read(outcome, partial(parse_project, project_id=project_id)), seconds)

        paths = [_path(*asked[position]) for position in good]
        try:
            self._ready().get_all(paths, latest_start, on_outcome)
        except MisconfiguredError as error:
            answers.update((position, (self._no_answer(error), 0.0)) for position in good)
        return answers

    def account_problem(self) -> CheckFailure | None:
        """Request the account itself, and return what is wrong with the key or the connection, if anything."""
        answer = self._ask("/v1/account", _is_object)
        return answer if isinstance(answer, CheckFailure) else None

    def get_balance(self) -> int | CheckFailure:
        """Request the account's credit balance."""
        return self._ask("/v1/account", parse_balance)

    def _ask(self, path: str, parse: Callable[[object], _T]) -> _T | CheckFailure:
        try:
            outcome: Outcome = self._ready().get(path)
        except requests.RequestException as error:
            outcome = error
        return self._read(outcome, parse)

    def _read(self, outcome: Outcome, parse: Callable[[object], _T]) -> _T | CheckFailure:
        if not isinstance(outcome, Reply):
            return self._no_answer(outcome)
        return self._parsed(outcome.body, parse) if outcome.status == OK else self._refusal(outcome)

    def _ready(self) -> Sender:
        """Return the sender. Raises MisconfiguredError while the environment is wrong."""
        with self._making:
            if self._sender is None:
                self._sender = make_sender(self._transport, self._config)
            return self._sender

    def _no_answer(self, error: requests.RequestException) -> CheckFailure:
        if isinstance(error, ResponseTooLargeError):
            return CheckFailure(FailureKind.BAD_ANSWER, str(error))
        return CheckFailure(FailureKind.UNAVAILABLE, self._why_no_answer(error))

    def _why_no_answer(self, error: requests.RequestException) -> str:
        if isinstance(error, MisconfiguredError):
            return f"no request can be sent: {error}"
        words = tidy(str(error), self._key)
        detail = f"no answer from the API ({type(error).__name__}{f': {words}' if words else ''})"
        if isinstance(error, requests.exceptions.SSLError):
            detail += f"; trusted are the certificates in {self._config.certificates}"
        return detail

    def _parsed(self, body: bytes, parse: Callable[[object], _T]) -> _T | CheckFailure:
        decoded: object = None
        try:
            decoded = decode(body)
            return parse(decoded)
        except BadPayloadError as error:
            said = message_of(decoded, self._key) if isinstance(decoded, Mapping) else None
            return CheckFailure(FailureKind.BAD_ANSWER, str(error), message=said)
        except (ValueError, RecursionError):
            what = "a web page, not JSON: a log-in page or a proxy answers" if is_web_page(body) else "not JSON"
            return CheckFailure(FailureKind.BAD_ANSWER, f"the answer is {what}", message=title_of(body, self._key))

    def _refusal(self, reply: Reply) -> CheckFailure:
        status = reply.status
        answer = json_object(reply.body)
        said = message_of(answer, self._key) if answer is not None else title_of(reply.body, self._key)
        pause = seconds_of(reply.retry_after, datetime.now(UTC))
        if status in _BLAMING and answer is None and reply.body.strip():
            what = "a web page" if is_web_page(reply.body) else "an answer that is not the API's JSON"
            detail = f"{what} instead of an answer of the API ({status}): a proxy, a bot challenge or {WRONG_BASE_URL}"
            return CheckFailure(FailureKind.UNAVAILABLE, detail, pause, said)
        if status in _PROBLEMS:
            failure_kind, detail = _PROBLEMS[status]
            return CheckFailure(failure_kind, detail, pause, said)
        if status >= 500:  # noqa: PLR2004  every server error, known or not
            return CheckFailure(FailureKind.UNAVAILABLE, f"the API reports a server error ({status})", pause, said)
        return CheckFailure(FailureKind.BAD_ANSWER, f"an answer that the API should not give ({status})", message=said)


def _path(kind: Kind, project_id: str) -> str:
    return f"/v1/{kind}-projects/{project_id}"


def _is_object(body: object) -> bool:
    if not isinstance(body, Mapping):
        raise BadPayloadError("the answer is not a JSON object")
    return True
