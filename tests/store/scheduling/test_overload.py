"""Claiming from more than the rate allows, beside a thousand projects that settle."""

from benchmarks.polling.durations import lognormal
from benchmarks.polling.overload import Overload
from worker.domain.scheduling.hazard import guess
from worker.domain.scheduling.settling import SettledProject, estimate_rates
from worker.store.engine import Database

KIND = lognormal("TEXT_TO_VIDEO", 60, 0.4)


def test_at_half_the_rate_settling_projects_neither_delay_running_ones_nor_wait_too_long(database: Database) -> None:
    rates = estimate_rates((30, 150, 750, 4350), [SettledProject(4350)] * 400)
    trial = Overload(KIND, guess(60), running=125, settling=1000, rate=4, rates=rates)
    trial.run(database, seconds=150)
    assert trial.slowdown < 1.1
    assert trial.longest_wait < 2
