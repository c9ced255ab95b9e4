from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.simulator import SimulatorOptions
from worker.simulator.lifecycle.catalogue import CATALOGUE, CreateEndpoint
from worker.simulator.lifecycle.plan import ERRORS, REFUND_DELAY, Life, plan

TERMINAL = {"complete", "error", "canceled"}
VIDEO = CATALOGUE["/v1/text-to-video"]
IMAGE = CATALOGUE["/v1/ai-image-generator"]
SEEDS = range(200)

endpoints = st.sampled_from(list(CATALOGUE.values()))
prices = st.integers(min_value=0, max_value=100_000)
seeds = st.integers(min_value=0)
rates = st.floats(min_value=0, max_value=0.5)
options = st.builds(
    SimulatorOptions,
    time_scale=st.floats(min_value=0.01, max_value=10_000),
    spread=st.floats(min_value=0, max_value=2),
    failure_rate=rates,
    cancel_rate=rates,
    late_refund_rate=rates,
    no_refund_rate=rates,
    correction_rate=st.floats(min_value=0, max_value=1),
    draft_rate=st.floats(min_value=0, max_value=1),
)


def seeded(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - chance for a simulation, no secret


def lives(endpoint: CreateEndpoint, chosen: SimulatorOptions, price: int = 450) -> list[Life]:
    return [plan(endpoint, price, chosen, seeded(seed)) for seed in SEEDS]


@given(endpoints, prices, options, seeds)
def test_a_life_runs_in_order_to_a_terminal_end(
    endpoint: CreateEndpoint, price: int, chosen: SimulatorOptions, seed: int
) -> None:
    life = plan(endpoint, price, chosen, seeded(seed))
    statuses = [moment.status for moment in life.moments]
    assert life.moments[0].at == 0
    assert life.moments[0].credits_charged == price
    assert all(before.at <= after.at for before, after in pairwise(life.moments))
    assert all(type(moment.credits_charged) is int and moment.credits_charged >= 0 for moment in life.moments)
    assert life.last.status in TERMINAL
    running = [status for status in statuses if status not in TERMINAL]
    assert statuses[: len(running)] == running
    assert running == [status for status in ("draft", "queued", "rendering") if status in running]
    assert len(set(statuses[len(running) :])) == 1


@given(endpoints, prices, options, seeds)
def test_each_moment_is_a_change(endpoint: CreateEndpoint, price: int, chosen: SimulatorOptions, seed: int) -> None:
    moments = plan(endpoint, price, chosen, seeded(seed)).moments
    shown = [(moment.status, moment.credits_charged) for moment in moments]
    assert all(before != after for before, after in pairwise(shown))


@given(endpoints, prices, options, seeds)
def test_the_same_seed_lives_the_same_life(
    endpoint: CreateEndpoint, price: int, chosen: SimulatorOptions, seed: int
) -> None:
    assert plan(endpoint, price, chosen, seeded(seed)) == plan(endpoint, price, chosen, seeded(seed))


@given(endpoints, prices, options, seeds, st.floats(min_value=0, max_value=10))
def test_at_any_age_the_latest_moment_holds(
    endpoint: CreateEndpoint, price: int, chosen: SimulatorOptions, seed: int, part: float
) -> None:
    life = plan(endpoint, price, chosen, seeded(seed))
    age = life.last.at * part
    assert life.at(age) == [moment for moment in life.moments if moment.at <= age][-1]


@given(seeds)
def test_time_scale_only_scales_time(seed: int) -> None:
    real, fast = (plan(VIDEO, 450, SimulatorOptions(time_scale=scale), seeded(seed)) for scale in (1, 10))
    assert [moment.at / 10 for moment in real.moments] == pytest.approx([moment.at for moment in fast.moments])
    assert [(m.status, m.credits_charged) for m in real.moments] == [
        (m.status, m.credits_charged) for m in fast.moments
    ]


@pytest.mark.parametrize(
    ("failure_rate", "cancel_rate", "end"), [(0, 0, "complete"), (1, 0, "error"), (0, 1, "canceled")]
)
def test_ending_rates_of_zero_and_one_are_kept(failure_rate: float, cancel_rate: float, end: str) -> None:
    sure = SimulatorOptions(failure_rate=failure_rate, cancel_rate=cancel_rate)
    assert {life.last.status for life in lives(VIDEO, sure)} == {end}


@pytest.mark.parametrize(("draft_rate", "first"), [(0, "queued"), (1, "draft")])
def test_draft_rates_of_zero_and_one_are_kept(draft_rate: float, first: str) -> None:
    assert {life.moments[0].status for life in lives(VIDEO, SimulatorOptions(draft_rate=draft_rate))} == {first}


def test_an_image_is_never_canceled() -> None:
    assert {life.last.status for life in lives(IMAGE, SimulatorOptions(failure_rate=0, cancel_rate=1))} == {"complete"}


def test_a_canceled_project_may_stop_in_the_queue_or_while_rendering() -> None:
    before = {life.moments[-2].status for life in lives(VIDEO, SimulatorOptions(failure_rate=0, cancel_rate=1))}
    assert before >= {"queued", "rendering"}


def test_only_an_error_has_a_code_and_it_fits_the_kind() -> None:
    for endpoint in CATALOGUE.values():
        for life in lives(endpoint, SimulatorOptions(failure_rate=0.5)):
            assert (life.error is not None) == (life.last.status == "error")
            assert life.error is None or life.error in ERRORS[endpoint.kind]


@pytest.mark.parametrize("failure_rate", [0, 1])
@pytest.mark.parametrize(("late", "never", "credits_seen"), [(0, 0, (0,)), (1, 0, (450, 0)), (0, 1, (450,))])
def test_refunds_come_at_once_late_or_never(
    failure_rate: float, late: float, never: float, credits_seen: tuple[int, ...]
) -> None:
    chosen = SimulatorOptions(
        failure_rate=failure_rate, cancel_rate=1 - failure_rate, late_refund_rate=late, no_refund_rate=never
    )
    for life in lives(VIDEO, chosen):
        assert tuple(m.credits_charged for m in life.moments if m.status in TERMINAL) == credits_seen


def test_a_late_refund_takes_its_time() -> None:
    shortest, longest = REFUND_DELAY
    for life in lives(VIDEO, SimulatorOptions(failure_rate=1, cancel_rate=0, late_refund_rate=1, no_refund_rate=0)):
        assert shortest <= life.moments[-1].at - life.moments[-2].at <= longest


def test_a_video_is_corrected_to_its_real_frame_rate_and_nothing_else_is() -> None:
    always = SimulatorOptions(failure_rate=0, cancel_rate=0, correction_rate=1)
    finals = {(life.fps, life.last.credits_charged) for life in lives(VIDEO, always)}
    assert finals == {(24, 360), (25, 375), (60, 900)}
    never = SimulatorOptions(failure_rate=0, cancel_rate=0, correction_rate=0)
    assert {(life.fps, life.last.credits_charged) for life in lives(VIDEO, never)} == {(30, 450)}
    assert {life.last.credits_charged for life in lives(IMAGE, always, price=5)} == {5}


def test_durations_scatter_around_the_published_median() -> None:
    calm = SimulatorOptions(failure_rate=0, cancel_rate=0, spread=0)
    assert {life.last.at for life in lives(VIDEO, calm)} == {VIDEO.median_seconds}
    wide = sorted(life.last.at for life in lives(VIDEO, SimulatorOptions(failure_rate=0, cancel_rate=0)))
    assert wide[len(wide) // 2] == pytest.approx(VIDEO.median_seconds, rel=0.15)
    assert wide[0] < VIDEO.median_seconds / 2 < VIDEO.median_seconds * 2 < wide[-1]
