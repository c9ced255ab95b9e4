"""The demo: what `renderwatch up` does when there is no API key."""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from worker.domain.intake.request import Sender
from worker.settings import Settings
from worker.settings.database_urls import sqlite_url
from worker.settings.environment import DEFAULT_ACCOUNT
from worker.simulator import Simulator, SimulatorOptions, WebhookOptions, running_simulator
from worker.store.engine import Database
from worker.store.projects import operator_actions
from worker.tracking.intake.track import track

TIME_SCALE: Final = 5
# The example downstream task of worker/demo/tasks.py, and how a worker includes it.
_DESTINATION: Final = "celery:example.on_project_event?queue=example"
_QUEUES: Final = "renderwatch.intake,renderwatch.checks,renderwatch.deliveries,renderwatch.upkeep,example"
WORKER_OPTIONS: Final = ("--include", "worker.demo.tasks", "--queues", _QUEUES)
# Short and varied renders, so that a new user sees every outcome within a minute or two.
_PATHS: Final = ("/v1/text-to-video", "/v1/image-to-video", "/v1/ai-image-generator", "/v1/ai-voice-generator")
# The number of projects of each outcome.
_WANTED: Final[Mapping[str, int]] = {"complete": 8, "error": 2, "canceled": 2}
_MOST_DICE: Final = 200


@contextmanager
def demo_simulator() -> Iterator[Simulator]:
    """Run the simulator, with different projects each time."""
    options = SimulatorOptions(
        seed=secrets.randbits(32), time_scale=TIME_SCALE, failure_rate=0.25, cancel_rate=0.25, no_refund_rate=0.0
    )
    with running_simulator(options) as simulator:
        yield simulator


@dataclass(frozen=True, slots=True)
class Demo:
    """A simulator, and the file in which the downstream example task writes what it received."""

    simulator: Simulator
    received: Path
    webhook_secret: str = field(default_factory=secrets.token_urlsafe, repr=False)

    def environment(self, settings: Settings) -> dict[str, str]:
        """Return the settings of a demo that differ. Removes an earlier run's file of events."""
        self.received.unlink(missing_ok=True)
        finished = ("project.completed", "project.failed", "project.canceled", "project.settled")
        routes = {name: [*settings.routes.get(name, []), _DESTINATION] for name in finished}
        changed = {
            "MAGIC_HOUR_API_KEY": "simulated",
            "MAGIC_HOUR_BASE_URL": self.simulator.url,
            "RENDERWATCH_MAGIC_HOUR_WEBHOOK_SECRETS": json.dumps({DEFAULT_ACCOUNT: self.webhook_secret}),
            "EXAMPLE_EVENTS_FILE": str(self.received),
            "RENDERWATCH_ROUTES": json.dumps(settings.routes | routes),
            # Settling takes over an hour in reality, too long for a demo.
            "RENDERWATCH_SETTLE_GAPS": "[3, 12, 30]",
            "RENDERWATCH_REFUND_GAPS": "[30, 30]",
            "RENDERWATCH_TARGET_DETECTION_DELAY": "1",
            "RENDERWATCH_GREATEST_GAP": "3",
        }
        if settings.database_url is None:
            # Separate from real projects, which the simulator does not know.
            changed["DATABASE_URL"] = sqlite_url(settings.state_dir / "demo.db")
        return changed

    @contextmanager
    def sending_webhooks(self, web: str) -> Iterator[None]:
        """Let the simulator send webhooks to a web process while the context lasts."""
        url = f"{web}/hooks/magic-hour/{DEFAULT_ACCOUNT}"
        with self.simulator.sending_webhooks(WebhookOptions(url=url, secret=self.webhook_secret)):
            yield


def forget_earlier_demo(database: Database, actor: str) -> int:
    """Stop tracking the open projects of an earlier demo, whose simulator no longer exists."""
    with database.write() as connection:
        gone = operator_actions.untrack(connection, None, None, actor, "the simulator of an earlier demo is gone")
    return len(gone)


def create_and_track(simulator: Simulator, database: Database, settings: Settings) -> list[str]:
    """Create projects, some with each outcome, and track them as a service would. Returns their ids."""
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
    track(database, settings, items, Sender("renderwatch up"))
    return [str(item["project_id"]) for item in items]


def tail(path: Path, lines: int) -> list[str]:
    """Return the last lines of a small file, or none if it does not exist yet."""
    try:
        return path.read_text(encoding="utf-8").splitlines()[-lines:]
    except FileNotFoundError:
        return []
