"""Tracked projects for a benchmark to work on."""

from worker.settings import Settings
from worker.store.engine import Database
from worker.store.schema import migrate
from worker.tracking.intake.track import track


def fill(url: str, count: int) -> None:
    """Make the tables in a new database, and track so many videos: project-0000000 and so on."""
    database = Database(url)
    migrate(database)
    settings = Settings(magic_hour_api_key="any-key")  # type: ignore[arg-type]  # pydantic makes a secret of it
    items = [{"kind": "video", "project_id": f"project-{n:07}", "credits_charged": 450} for n in range(count)]
    track(database, settings, items)
    database.close()
