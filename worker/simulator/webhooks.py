"""Webhooks of the simulator: signed and retried like the real API's, and lost, repeated or forged as options say."""

import hashlib
import heapq
import hmac
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from worker.simulator.lifecycle.projects import Clock, Project

Body = Callable[[Project], dict[str, object]]
"""Returns the project as the API shows it now."""

# Cancellation has none, as with the real API.
_EVENTS: Final = {"rendering": "started", "complete": "completed", "error": "errored"}
_RATES: Final = ("lost", "duplicated", "reordered", "forged")
# In seconds of the real API: how late a copy or a reordered one comes, and how long failed ones are tried again.
_LATE: Final = (1.0, 60.0)
_TRIED_FOR: Final = 24 * 3600.0
_TIMEOUT: Final = 10.0
_SENDERS: Final = 8
_MOST_WAITING: Final = 200_000
_TICK: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookOptions:
    """Where webhooks go, what signs them, and which shares of them (0 to 1) go wrong. Raises ValueError.

    lost: never sent. duplicated: sent again later. reordered: sent late, perhaps after the next one.
    forged: each with one more beside it that a wrong secret signed.
    """

    url: str
    secret: str = field(repr=False)
    lost: float = 0.0
    duplicated: float = 0.0
    reordered: float = 0.0
    forged: float = 0.0

    def __post_init__(self) -> None:
        """Validate the values."""
        if urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).hostname:
            raise ValueError(f"the URL of webhooks must start with http:// or https://, not {self.url}")
        if not self.secret:
            raise ValueError("webhooks need a secret, which signs them")
        for name in _RATES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True, order=True)
class _Webhook:
    """One to send at a time; ``attempt`` counts from 0."""

    at: float
    number: int
    project: Project = field(compare=False)
    type: str = field(compare=False)
    is_forged: bool = field(compare=False, default=False)
    attempt: int = field(compare=False, default=0)


class WebhookSender:
    """Sends the webhooks of projects, in threads of its own, from start() to stop()."""

    def __init__(self, options: WebhookOptions, body: Body, clock: Clock, seed: int, time_scale: float) -> None:
        """Do not start yet."""
        self._options = options
        self._body = body
        self._clock = clock
        self._seed = seed
        self._time_scale = time_scale
        self._waiting: list[_Webhook] = []
        self._number = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(_SENDERS, "webhook")
        self._opener = build_opener(ProxyHandler({}))
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self.counts: Counter[str] = Counter()

    def start(self) -> None:
        """Start sending."""
        self._thread.start()

    def stop(self) -> None:
        """Stop; what waits is not sent."""
        self._stopped.set()
        self._thread.join()
        self._pool.shutdown(cancel_futures=True)

    def schedule(self, project: Project) -> None:
        """Plan the webhooks of a new project."""
        planned: dict[str, float] = {}
        for moment in project.life.moments:
            if moment.status in _EVENTS:
                planned.setdefault(f"{project.kind}.{_EVENTS[moment.status]}", project.created_at + moment.at)
        for type_, at in planned.items():
            self._schedule(project, type_, at, Random(f"{self._seed}:{project.number}:{type_}"))  # noqa: S311  no secret

    def _schedule(self, project: Project, type_: str, at: float, random: Random) -> None:
        given = self._options
        if random.random() < given.lost:
            self.counts["lost"] += 1
            return
        late = [random.uniform(*_LATE) / self._time_scale for _ in range(2)]
        self._wait(project, type_, at + (late[0] if random.random() < given.reordered else 0.0))
        if random.random() < given.duplicated:
            self._wait(project, type_, at + late[1])
        if random.random() < given.forged:
            # While the project still runs, so that it would do harm if it were believed.
            self._wait(project, f"{project.kind}.completed", project.created_at, is_forged=True)

    def _wait(self, project: Project, type_: str, at: float, *, is_forged: bool = False) -> None:
        with self._lock:
            self._number += 1
            self._push(_Webhook(at, self._number, project, type_, is_forged))

    def _push(self, webhook: _Webhook) -> None:
        if len(self._waiting) < _MOST_WAITING:
            heapq.heappush(self._waiting, webhook)
        else:
            self.counts["dropped"] += 1

    def _run(self) -> None:
        while not self._stopped.wait(_TICK):
            for webhook in self._due():
                self._pool.submit(self._send, webhook)

    def _due(self) -> list[_Webhook]:
        now = self._clock()
        due = []
        with self._lock:
            while self._waiting and self._waiting[0].at <= now:
                due.append(heapq.heappop(self._waiting))
        return due

    def _send(self, webhook: _Webhook) -> None:
        if webhook.project.deleted_at is not None:
            return
        content = json.dumps({"type": webhook.type, "payload": self._body(webhook.project)}).encode()
        # A fresh timestamp for each attempt; the receiver compares it with its own clock.
        timestamp = str(int(time.time()))
        secret = "whsec_forged" if webhook.is_forged else self._options.secret
        signature = hmac.new(secret.encode(), f"{timestamp}.".encode() + content, hashlib.sha256).hexdigest()
        headers = {
            "content-type": "application/json",
            "magic-hour-event-timestamp": timestamp,
            "magic-hour-event-signature": signature,
        }
        request = Request(self._options.url, content, headers)  # noqa: S310  http or https
        try:
            with self._opener.open(request, timeout=_TIMEOUT):
                self.counts["forged and accepted" if webhook.is_forged else "delivered"] += 1
        except OSError:  # no answer, or one that is not 2xx
            self._fail(webhook)

    def _fail(self, webhook: _Webhook) -> None:
        if webhook.is_forged:
            self.counts["forged and refused"] += 1
            return
        self.counts["failed attempts"] += 1
        gap = 2.0**webhook.attempt
        if gap < _TRIED_FOR / 2:  # the gaps until now add up to one less
            again = replace(webhook, at=self._clock() + gap / self._time_scale, attempt=webhook.attempt + 1)
            with self._lock:
                self._push(again)
