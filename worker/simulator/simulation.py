"""Everything that one simulator knows, without the HTTP around it."""

from collections import Counter
from typing import TypedDict

from worker.simulator.catalogue import CATALOGUE
from worker.simulator.faults import Misfortune
from worker.simulator.links import Links
from worker.simulator.options import SimulatorOptions
from worker.simulator.projects import Clock, Project, Projects
from worker.simulator.record import Record, record
from worker.simulator.request_log import RequestLog


class Stats(TypedDict):
    """`requests`: answers of the API by HTTP status; `projects`: how many are remembered; `faults`: how often each."""

    requests: dict[str, int]
    projects: int
    faults: dict[str, int]


class Simulation:
    """The state behind one simulator: what the HTTP handlers and the in-process handle both work on."""

    def __init__(self, options: SimulatorOptions, clock: Clock) -> None:
        """Start empty."""
        self.options = options
        self.clock = clock
        self.projects = Projects(options, clock)
        self.links = Links(options.seed)
        self.answers: Counter[int] = Counter()
        self.log = RequestLog()
        self.misfortune = Misfortune(options.faults, options.seed, clock)

    def create(self, count: int, path: str | None = None) -> list[Project]:
        """Create plain projects, through one create endpoint or, without a path, through all of them in turn.

        Raises ValueError for a path that is none, SimulatorFullError when there is no room for all of them.
        """
        if path is not None and path not in CATALOGUE:
            raise ValueError(f"path must be a create endpoint such as /v1/image-to-video, not {path}")
        return self.projects.create_many(count, None if path is None else CATALOGUE[path])

    def record(self, after: int = 0, limit: int | None = None) -> list[Record]:
        """Return the true stories of up to `limit` projects whose number is greater than `after`, oldest first."""
        now = self.clock()
        return [record(project, now) for project in self.projects.page(after, limit)]

    def stats(self) -> Stats:
        """Return the counters."""
        return Stats(
            requests={str(status): count for status, count in sorted(self.answers.items())},
            projects=len(self.projects),
            faults=dict(sorted(self.misfortune.met.items())),
        )

    def note(self, api_key: str) -> None:
        """Write down that a request with this key came in now."""
        self.log.note(api_key, self.clock())

    def credits_left(self) -> int:
        """Return what the account can still spend."""
        return max(0, self.options.account_credits - self.projects.credits_charged())
