"""The demo: what `renderwatch up` does when there is no API key."""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from worker.cli.context import actor
from worker.settings import Settings
from worker.simulator import Simulator, SimulatorOptions, running_simulator
from worker.store import operations
from worker.store.engine import Database
from worker.tracking.intake import track

TIME_SCALE: Final = 5
# The example downstream task of worker/tasks/example.py, and how a worker runs it beside our own.
_DESTINATION: Final = "celery:example.on_project_event?queue=example"
_QUEUES: Final = "renderwatch.intake,renderwatch.checks,renderwatch.deliveries,renderwatch.upkeep,example"
WORKER_OPTIONS: Final = ("--include", "worker.tasks.example", "--queues", _QUEUES)
# Short and varied renders, so that a newcomer sees all endings within a minute or two.
_PATHS: Final = ("/v1/text-to-video", "/v1/image-to-video", "/v1/ai-image-generator", "/v1/ai-voice-generator")
# Of each ending so many, whatever the dice say.
_WANTED: Final[Mapping[str, int]] = {"complete": 8, "error": 2, "canceled": 2}
_MOST_DICE: Final = 200


@contextmanager
def demo_simulator() -> Iterator[Simulator]:
    """Run the simulator, with other projects each time."""
    options = SimulatorOptions(
        seed=secrets.randbits(32), time_scale=TIME_SCALE, failure_rate=0.25, cancel_rate=0.25, no_refund_rate=0.0
    )
    with running_simulator(options) as simulator:
        yield simulator


@dataclass(frozen=True, slots=True)
class Demo:
    """A simulator, and the file in which the downstream example task writes what it received."""

    simulator: Simulator
    news: Path

    def environment(self, settings: Settings) -> dict[str, str]:
        """Return the settings in which a demo differs. Starts the file of news afresh."""
        self.news.unlink(missing_ok=True)
        finished = ("project.completed", "project.failed", "project.canceled", "project.settled")
        routes = {name: [*settings.routes.get(name, []), _DESTINATION] for name in finished}
        changed = {
            "MAGIC_HOUR_API_KEY": "simulated",
            "MAGIC_HOUR_BASE_URL": self.simulator.url,
            "EXAMPLE_NEWS_FILE": str(self.news),
            "RENDERWATCH_ROUTES": json.dumps(settings.routes | routes),
            # Settling takes an hour and more in real life, and the demo's life is faster.
            "RENDERWATCH_SETTLE_GAPS": "[3, 12, 30]",
            "RENDERWATCH_REFUND_GAPS": "[30, 30]",
            "RENDERWATCH_TARGET_DETECTION_DELAY": "1",
            "RENDERWATCH_GREATEST_GAP": "3",
        }
        if settings.database_url is None:
            # Kept apart from real projects, which the simulator does not know.
            changed["DATABASE_URL"] = f"sqlite:///{settings.state_dir.absolute() / 'demo.db'}"
        return changed


def forget_earlier_demo(database: Database) -> int:
    """Stop following what an earlier demo left open. Its simulator is gone, and its projects with it."""
    with database.write() as connection:
        return len(operations.untrack(connection, None, None, actor(), "the simulator of an earlier demo is gone"))


def create_and_track(simulator: Simulator, database: Database, settings: Settings) -> list[str]:
    """Create projects, among them some of each ending, and track them as a service would. Returns their ids."""
    left = dict(_WANTED)
    items: list[dict[str, object]] = []
    for number in range(_MOST_DICE):
        project = simulator.create(1, _PATHS[number % len(_PATHS)])[0]
        ending = project.life.last.status
        if not left.get(ending):
            continue
        left[ending] -= 1
        items.append(
            {
                "kind": project.endpoint.kind,
                "project_id": project.id,
                "credits_charged": project.life.moments[0].credits_charged,
                "metadata": {"made_by": "renderwatch up"},
            }
        )
    track(database, settings, items)
    return [str(item["project_id"]) for item in items]


def tail(path: Path, lines: int) -> list[str]:
    """Return the last lines of a small file, or none if it is not there yet."""
    try:
        return path.read_text(encoding="utf-8").splitlines()[-lines:]
    except FileNotFoundError:
        return []
