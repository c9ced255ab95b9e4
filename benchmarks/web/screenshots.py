"""Pictures of the dashboard for the README, from a running simulation: ``make screenshots``.

A simulator, a worker and beat run on a database that holds two days of a past; after a while each page is pictured.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from playwright.sync_api import sync_playwright
from sqlalchemy import text

from benchmarks.web.__main__ import serving
from benchmarks.web.seed import seed, tidy
from tests.support.processes import Programs, environment
from tests.support.services import postgres_database, postgres_server, redis_broker
from worker.domain.access_tokens import SCOPES
from worker.settings import Settings
from worker.simulator import SimulatorOptions, running_simulator
from worker.simulator.lifecycle.projects import Project
from worker.store.access_tokens import create_token
from worker.store.engine import Database
from worker.store.schema import migrate
from worker.tracking.intake.track import track
from worker.tracking.learn_durations import learn_durations

_LOOKS: Final = {"light": ("light", 1360, 940), "dark": ("dark", 1360, 940), "phone": ("light", 390, 844)}
# What the past left open, the simulator would not know.
_NOBODY_KNOWS_THEM: Final = """
UPDATE tracked_projects
SET state = 'closed', close_reason = 'settled', closed_at = clock_timestamp(), next_check_at = NULL
WHERE state <> 'closed'
"""
_PAGES: Final = (
    "/", "/problems", "/projects", "/credits?by=customer", "/deliveries", "/failures", "/accounts", "/check-times",
    "/settings", "/audit",
)  # fmt: skip


def main(folder: Path, seconds: float) -> None:
    """Run the simulation for some seconds, and put the pictures into a folder."""
    with (
        tempfile.TemporaryDirectory() as name,
        postgres_server(Path(name)) as server,
        redis_broker(Path(name)) as broker,
    ):
        options = SimulatorOptions(seed=7, time_scale=3, failure_rate=0.1)
        with (
            postgres_database(server) as url,
            running_simulator(options) as simulator,
            Programs(Path(name)) as programs,
        ):
            database = Database(url)
            migrate(database)
            with database.write() as connection:
                seed(connection, 6000, 2)
                connection.execute(text(_NOBODY_KNOWS_THEM))
            tidy(database.engine)
            learn_durations(database)
            variables = environment(url, broker, simulator.url, rate=25, burst=100, greatest_gap=5)
            programs.worker(variables)
            programs.beat(variables)
            made = simulator.create(160)
            items = [_item(project, 9000 + number) for number, project in enumerate(made)]
            track(database, Settings(magic_hour_api_key="any"), items)  # type: ignore[arg-type]  # pydantic wraps it
            with database.write() as connection:
                token = create_token(connection, "ann", SCOPES, "screenshots")
            time.sleep(seconds)
            video = next(each for each in made if each.endpoint.kind == "video")
            with serving(variables, Path(name)) as address:
                _picture(address, token, f"/projects/video/{video.id}", folder)
            database.close()


def _item(project: Project, order: int) -> dict[str, object]:
    metadata = {"customer": ("Acme", "Globex", "Initech")[order % 3], "order": order}
    price = project.life.moments[0].credits_charged
    return {"kind": project.endpoint.kind, "project_id": project.id, "credits_charged": price, "metadata": metadata}


def _picture(address: str, token: str, project: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = shutil.which("chromium") or "chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for look, (scheme, width, height) in _LOOKS.items():
            size = {"width": width, "height": height}
            page = browser.new_context(color_scheme=scheme, viewport=size).new_page()  # type: ignore[arg-type]  # a word each
            page.goto(f"{address}/login#{token}")
            page.wait_for_url(f"{address}/")
            for each in (*_PAGES, project):
                page.goto(address + each)
                name = "project" if each == project else each.strip("/").partition("?")[0] or "overview"
                page.screenshot(path=folder / f"{name}-{look}.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
