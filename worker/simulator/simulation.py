"""The state of one simulator, independent of HTTP."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypedDict

from worker.simulator.faults import Misfortune
from worker.simulator.lifecycle import payloads
from worker.simulator.lifecycle.catalogue import CATALOGUE, CreateEndpoint
from worker.simulator.lifecycle.create_request import CreateRequest
from worker.simulator.lifecycle.ground_truth import Record, record
from worker.simulator.lifecycle.links import Links
from worker.simulator.lifecycle.projects import Clock, Project, Projects
from worker.simulator.options import SimulatorOptions
from worker.simulator.request_log import RequestLog
from worker.simulator.webhooks import WebhookOptions, WebhookSender


class Stats(TypedDict):
    """`requests`: API responses by status; `projects`: how many there are; `faults`, `webhooks`: counts by kind."""

    requests: dict[str, int]
    projects: int
    faults: dict[str, int]
    webhooks: dict[str, int]


class Simulation:
    """The state of one simulator, shared by the HTTP handlers and the in-process handle."""

    def __init__(self, options: SimulatorOptions, clock: Clock) -> None:
        """Start empty."""
        self.options = options
        self.clock = clock
        self.projects = Projects(options, clock)
        self.links = Links(options.seed)
        self.answers: Counter[int] = Counter()
        self.log = RequestLog()
        self.misfortune = Misfortune(options.faults, options.seed, clock)
        self.webhooks: WebhookSender | None = None

    @contextmanager
    def sending_webhooks(self, options: WebhookOptions, origin: str) -> Iterator[None]:
        """Send webhooks about projects that are created while the context lasts; their links start with `origin`."""

        def body(project: Project) -> payloads.Body:
            return payloads.details(project, self.clock(), self.links, origin)

        self.webhooks = WebhookSender(options, body, self.clock, self.options.seed, self.options.time_scale)
        self.webhooks.start()
        try:
            yield
        finally:
            self.webhooks.stop()

    def create_one(self, endpoint: CreateEndpoint, request: CreateRequest) -> Project:
        """Create one project as requested. Raises SimulatorFullError when there is no room."""
        return self._announced([self.projects.create(endpoint, request)])[0]

    def create(self, count: int, path: str | None = None) -> list[Project]:
        """Create plain projects, through one create endpoint or, without a path, through all of them in turn.

        Raises ValueError for a path that is none, SimulatorFullError when there is no room for all of them.
        """
        if path is not None and path not in CATALOGUE:
            raise ValueError(f"path must be a create endpoint such as /v1/image-to-video, not {path}")
        return self._announced(self.projects.create_many(count, None if path is None else CATALOGUE[path]))

    def _announced(self, projects: list[Project]) -> list[Project]:
        """Plan the webhooks of new projects."""
        if self.webhooks:
            for project in projects:
                self.webhooks.schedule(project)
        return projects

    def record(self, after: int = 0, limit: int | None = None) -> list[Record]:
        """Return the ground truth of up to `limit` projects whose number is greater than `after`, oldest first."""
        now = self.clock()
        return [record(project, now) for project in self.projects.page(after, limit)]

    def stats(self) -> Stats:
        """Return the counters."""
        return Stats(
            requests={str(status): count for status, count in sorted(self.answers.items())},
            projects=len(self.projects),
            faults=dict(sorted(self.misfortune.met.items())),
            webhooks=dict(sorted(self.webhooks.counts.items())) if self.webhooks else {},
        )

    def note(self, api_key: str) -> None:
        """Record a request with this key, now."""
        self.log.note(api_key, self.clock())

    def credits_left(self) -> int:
        """Return the account's remaining credits."""
        return max(0, self.options.account_credits - self.projects.credits_charged())
