"""When a project is expected to finish."""

import math
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from benchmarks.polling.durations import MIXES, Type
from worker.domain.scheduling.durations import Durations
from worker.domain.scheduling.estimate import estimate
from worker.domain.scheduling.hazard import EDGES, CensoredDuration, Hazard, estimate_hazard, guess, unknown

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HAZARD = guess(100.0)
KNOWN = Durations({("video", "LIP_SYNC"): HAZARD})


def row(age: float = 0.0, *, seen: float | None = None, **changes: object) -> dict[str, Any]:
    """Return a project that has been rendering for ``age`` seconds, and was last seen ``seen`` seconds ago."""
    start = NOW - timedelta(seconds=age)
    last = None if seen is None else NOW - timedelta(seconds=seen)
    project = {"kind": "video", "type": "LIP_SYNC", "state": "active", "status": "rendering", "created_at": start}
    return project | {"queued_at": None, "opened_at": start, "last_observed_at": last} | changes


def seconds(at: datetime) -> float:
    return (at - NOW).total_seconds()


def test_the_age_at_a_hazard_is_the_inverse_of_the_hazard_at_an_age() -> None:
    for age in (0.0, 0.4, 1.0, 99.0, 5000.0, 2 * EDGES[-1]):
        assert HAZARD.age_at(HAZARD.integral(age)) == pytest.approx(age)
    assert HAZARD.median == pytest.approx(100, rel=0.02)


def test_a_new_render_is_expected_to_take_the_median() -> None:
    made = estimate(row(seen=0), KNOWN, NOW)
    assert made is not None
    assert seconds(made.finish_at) == pytest.approx(100, rel=0.02)
    assert seconds(made.earliest_at) == pytest.approx(100 * math.exp(-1.2816 * 0.8), rel=0.05)
    assert seconds(made.latest_at) == pytest.approx(100 * math.exp(1.2816 * 0.8), rel=0.05)
    assert (made.progress, made.source) == (0.0, "learned")


def test_the_older_a_render_the_later_it_is_expected() -> None:
    young, old = estimate(row(50, seen=0), KNOWN, NOW), estimate(row(300, seen=0), KNOWN, NOW)
    assert young is not None
    assert old is not None
    assert 100 < seconds(young.finish_at) + 50 < 300 < seconds(old.finish_at) + 300
    assert 0 < young.progress < old.progress < 1


def test_an_end_may_have_passed_since_the_last_check_and_a_running_project_is_never_done() -> None:
    made = estimate(row(500, seen=499), KNOWN, NOW)
    assert made is not None
    assert made.finish_at < NOW
    assert made.progress == 0.99


@pytest.mark.parametrize("status", ["queued", "draft", None])
def test_while_it_waits_the_render_is_assumed_to_start_now(status: str | None) -> None:
    made = estimate(row(1000, seen=20, status=status), KNOWN, NOW)
    assert made is not None
    assert seconds(made.finish_at) == pytest.approx(HAZARD.median)
    assert made.progress == 0.0


def test_one_that_is_tracked_late_is_timed_from_its_creation() -> None:
    made = estimate(row(90, seen=0, opened_at=NOW), KNOWN, NOW)
    assert made is not None
    assert made.progress > 0.4


def test_what_does_not_run_and_what_nothing_is_known_of_has_no_estimate() -> None:
    assert estimate(row(status="complete", state="settling"), KNOWN, NOW) is None
    assert estimate(row(state="closed"), KNOWN, NOW) is None
    assert estimate(row(type="NEW"), KNOWN, NOW) is None
    assert estimate(row(40 * 86400, seen=0), KNOWN, NOW) is None
    guessed = estimate(row(type="ANIMATION"), KNOWN, NOW)
    assert guessed is not None
    assert guessed.source == "published"


def learned(kind: Type, random: Random) -> Hazard:
    """Return what 50 renders teach that are checked every few seconds."""
    seen = []
    for _ in range(50):
        duration, age, last = kind.draw(random), 0.0, 0.0
        while age < duration:
            last, age = age, age + random.uniform(0.02, 0.2) * max(duration, 1)
        seen.append(CensoredDuration(last, age))
    return estimate_hazard(seen, unknown())


@pytest.mark.parametrize("mix", sorted(MIXES))
def test_intervals_hold_four_in_five_ends_once_50_of_a_type_have_finished(mix: str) -> None:
    random, held, total = Random(1), 0, 0  # noqa: S311  no secret
    for kind in dict.fromkeys(MIXES[mix]):
        for _ in range(6):
            durations = Durations({("video", "LIP_SYNC"): learned(kind, random)})
            for _ in range(250):
                # An age that does not depend on when this one ends.
                duration, age = kind.draw(random), random.uniform(0, 1.2) * kind.draw(random)
                if duration <= age:
                    continue
                made = estimate(row(age, seen=0), durations, NOW)
                assert made is not None
                total += 1
                held += made.earliest_at <= NOW + timedelta(seconds=duration - age) <= made.latest_at
    assert 0.75 <= held / total <= 0.85
