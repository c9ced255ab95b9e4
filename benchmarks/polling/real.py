"""The same end to end: the real system on the simulator, beside what the simulation says of the very same renders.

python -m benchmarks.polling.real [--projects 500]    (three minutes; PostgreSQL and Redis as the tests find them)

With fewer projects than usual it only shows that everything runs: chance moves both figures too far to compare them.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from benchmarks.polling.durations import Type
from benchmarks.polling.simulate import Project, Trial
from tests.support.processes import Programs, environment, wait_for
from tests.support.services import POSTGRES_URL, Broker, postgres_database, redis_broker
from worker.domain.scheduling.durations import first_guess
from worker.domain.scheduling.hazard import Hazard
from worker.settings import Settings
from worker.simulator import Simulator, SimulatorOptions, running_simulator
from worker.simulator.lifecycle.projects import Project as Render
from worker.store.engine import Database
from worker.store.schema import migrate
from worker.tracking.intake.track import track

SCALE, TARGET, COUNT, EVERY = 10.0, 1.0, 500, 0.25
LEAST, GREATEST, LEARN_EVERY = 0.2, 12.0, 6.0
PATHS = ("/v1/ai-image-generator", "/v1/ai-voice-generator", "/v1/text-to-video", "/v1/ai-talking-photo")
MOST = 1.15


def main() -> int:
    """Run both, print both; the exit code is 1 when they differ by more than 15 %."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--projects", type=int, default=COUNT)
    count: int = arguments.parse_args().projects
    options = SimulatorOptions(seed=11, time_scale=SCALE, late_refund_rate=0.0)
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres_database(POSTGRES_URL) as url,
        redis_broker(Path(folder)) as broker,
        running_simulator(options) as simulator,
    ):
        renders = _run(count, Path(folder), url, broker, simulator)
        requests, delay = _seen(url, renders)
    trial = _replay(renders)
    predicted = sum(each.requests for each in trial.finishes) / len(trial.finishes)
    late = sum(each.delay for each in trial.finishes) / len(trial.finishes)
    ratio = requests / predicted
    print(f"{'':24}{'requests each':>15}{'mean delay':>12}\n{'the real system':24}{requests:15.2f}{delay:11.2f}s")
    print(f"{'the simulation':24}{predicted:15.2f}{late:11.2f}s\nratio {ratio:.3f}")
    return int(count >= COUNT and not 1 / MOST <= ratio <= MOST)


def _run(count: int, folder: Path, url: str, broker: Broker, simulator: Simulator) -> list[Render]:
    database = Database(url)
    migrate(database)
    variables = environment(
        url,
        broker,
        simulator.url,
        rate=200,
        burst=2000,
        target_detection_delay=TARGET,
        least_gap=LEAST,
        greatest_gap=GREATEST,
        learn_every=LEARN_EVERY,
        dispatch_every=0.2,
    )
    settings = Settings(magic_hour_api_key="any")  # type: ignore[arg-type]  # pydantic makes a secret of it
    random, renders = Random(3), []
    with Programs(folder) as programs:
        programs.worker(variables)
        programs.beat(variables)
        for number in range(count):
            (render,) = simulator.create(1, PATHS[number % len(PATHS)])
            track(database, settings, [{"kind": render.endpoint.kind, "project_id": render.id}])
            renders.append(render)
            time.sleep(random.expovariate(1 / EVERY))
        wait_for(lambda: _unfinished(database) == 0, 300, "all have finished", lambda: _unfinished(database))
    database.close()
    return renders


def _unfinished(database: Database) -> int:
    with database.read() as connection:
        statement = "SELECT count(*) FROM tracked_projects WHERE finished_at IS NULL"
        return int(connection.exec_driver_sql(statement).scalar_one())


def _seen(url: str, renders: Sequence[Render]) -> tuple[float, float]:
    """Return the mean requests, and the mean delay against what the simulator knows."""
    database = Database(url)
    with database.read() as connection:
        statement = (
            "SELECT project_id, checks_until_finished, extract(epoch FROM finished_at) AS at FROM tracked_projects"
        )
        rows = {row.project_id: row for row in connection.exec_driver_sql(statement)}
    database.close()
    requests = sum(rows[each.id].checks_until_finished for each in renders) / len(renders)
    delay = sum(float(rows[each.id].at) - (each.created_at + _end(each)) for each in renders) / len(renders)
    return requests, delay


def _end(render: Render) -> float:
    return next(moment.at for moment in render.life.moments if moment.status in {"complete", "error", "canceled"})


def _wait(render: Render) -> float:
    return next((moment.at for moment in render.life.moments if moment.status == "rendering"), _end(render))


def _replay(renders: Sequence[Render]) -> Trial:
    types = {render.endpoint.type: Type(render.endpoint.type, ()) for render in renders}
    kinds = {render.endpoint.type: render.endpoint.kind for render in renders}
    given = [
        Project(number, types[one.endpoint.type], one.created_at, _end(one), _wait(one))
        for number, one in enumerate(renders)
    ]

    def guess(kind: Type) -> Hazard:
        return first_guess(kinds[kind.name], kind.name)

    return Trial(
        list(types.values()),
        TARGET,
        0,
        least=LEAST,
        greatest=GREATEST,
        learn_every=LEARN_EVERY,
        guess=guess,
        given=given,
    ).run()


if __name__ == "__main__":
    sys.exit(main())
