"""The projects that a simulator remembers: in memory, bounded, safe to use from several threads."""

import heapq
import string
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from random import Random

from worker.simulator.lifecycle.catalogue import CATALOGUE, CreateEndpoint, Kind
from worker.simulator.lifecycle.create_request import CreateRequest
from worker.simulator.lifecycle.plan import Life, Moment, plan
from worker.simulator.options import SimulatorOptions

Clock = Callable[[], float]
"""Returns the time as epoch seconds."""

ID_LETTERS = string.digits + string.ascii_lowercase
BULK_LENGTHS = (5, 10, 15)


class SimulatorFullError(Exception):
    """There is no room for another project: every one that is remembered may still change."""


@dataclass(slots=True)
class Project:
    """One project. Times are epoch seconds; `number` counts creates from 1; `requests` counts its GETs."""

    number: int
    id: str
    endpoint: CreateEndpoint
    request: CreateRequest
    life: Life
    created_at: float
    deleted_at: float | None = None
    requests: int = 0

    @property
    def kind(self) -> Kind:
        """Whether it is a video, an image or an audio."""
        return self.endpoint.kind

    def age(self, now: float) -> float:
        """Return its age in seconds, 0 or more. It stops at deletion: what the real API does then is undocumented."""
        return max(0.0, (now if self.deleted_at is None else min(now, self.deleted_at)) - self.created_at)

    def at(self, now: float) -> Moment:
        """Return the status and credits that it shows now."""
        return self.life.at(self.age(now))

    @property
    def settles_at(self) -> float:
        """When nothing will change any more, unless it is deleted."""
        return self.created_at + self.life.last.at


class Projects:
    """Creates, remembers, finds and forgets projects."""

    def __init__(self, options: SimulatorOptions, clock: Clock) -> None:
        """Start without projects."""
        self._options = options
        self._clock = clock
        self._lock = threading.Lock()
        self._by_id: dict[str, Project] = {}
        self._by_settling: list[tuple[float, int, str]] = []
        self._created = 0
        self._forgotten_credits = 0

    def create(self, endpoint: CreateEndpoint, request: CreateRequest) -> Project:
        """Create one project; raises SimulatorFullError when there is no room."""
        with self._lock:
            self._make_room(1)
            return self._create(endpoint, request)

    def create_many(self, count: int, endpoint: CreateEndpoint | None = None) -> list[Project]:
        """Create `count` plain projects, of every endpoint in turn if none is given; all of them or none."""
        every = tuple(CATALOGUE.values()) if endpoint is None else (endpoint,)
        with self._lock:
            self._make_room(count)
            return [
                self._create(
                    every[self._created % len(every)], CreateRequest(end_seconds=BULK_LENGTHS[self._created % 3])
                )
                for _ in range(count)
            ]

    def read(self, kind: str, project_id: str) -> Project | None:
        """Return the project, and count the request; None if there is none of that kind and id."""
        with self._lock:
            project = self._find(kind, project_id)
            if project is not None:
                project.requests += 1
            return project

    def delete(self, kind: str, project_id: str) -> bool:
        """Mark the project as deleted; False if there is none. Deleting it again changes nothing."""
        with self._lock:
            project = self._find(kind, project_id)
            if project is not None and project.deleted_at is None:
                project.deleted_at = self._clock()
            return project is not None

    def page(self, after: int = 0, limit: int | None = None) -> Sequence[Project]:
        """Return up to `limit` projects whose number is greater than `after`, in the order of their creation."""
        with self._lock:
            return list(islice((project for project in self._by_id.values() if project.number > after), limit))

    def __len__(self) -> int:
        """Return how many projects are remembered."""
        return len(self._by_id)

    def credits_charged(self) -> int:
        """Return what all projects together cost so far, the forgotten ones included."""
        now = self._clock()
        with self._lock:
            return self._forgotten_credits + sum(p.at(now).credits_charged for p in self._by_id.values())

    def _find(self, kind: str, project_id: str) -> Project | None:
        project = self._by_id.get(project_id)
        return project if project is not None and project.endpoint.kind == kind else None

    def _create(self, endpoint: CreateEndpoint, request: CreateRequest) -> Project:
        self._created += 1
        life = plan(endpoint, request.price(endpoint), self._options, self._random(self._created))
        # Whole milliseconds, so that created_at is the same moment in every answer.
        created_at = round(self._clock(), 3)
        project = Project(
            self._created, _identify(self._options.seed, self._created), endpoint, request, life, created_at
        )
        self._by_id[project.id] = project
        heapq.heappush(self._by_settling, (project.settles_at, project.number, project.id))
        return project

    def _random(self, number: int) -> Random:
        # Seeded by text, which Python hashes the same way in every process.
        return Random(f"{self._options.seed}:{number}")  # noqa: S311 - chance for a simulation, no secret

    def _make_room(self, count: int) -> None:
        now = self._clock()
        excess = len(self._by_id) + count - self._options.max_projects
        if excess > len(self._by_id):
            raise SimulatorFullError
        for _ in range(excess):
            if self._by_settling[0][0] > now:
                raise SimulatorFullError
            project = self._by_id.pop(heapq.heappop(self._by_settling)[2])
            self._forgotten_credits += project.at(now).credits_charged


def _identify(seed: int, number: int) -> str:
    digest = int.from_bytes(sha256(f"{seed}:{number}".encode()).digest())
    letters = []
    for _ in range(24):
        digest, letter = divmod(digest, len(ID_LETTERS))
        letters.append(ID_LETTERS[letter])
    return "c" + "".join(letters)
