import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.pricing import GREATEST, LEAST, first_price, steer


def test_an_end_found_on_target_moves_nothing() -> None:
    assert steer(2.0, 5.0, 5.0) == pytest.approx(2.0)


def test_by_hand() -> None:
    assert steer(2.0, 5.0, 10.0) == pytest.approx(2.0 * math.exp(-0.05))
    assert steer(2.0, 5.0, 0.0) == pytest.approx(2.0 * math.exp(0.05))


@given(st.floats(LEAST, GREATEST), st.floats(0.5, 600), st.lists(st.floats(0, 10**6), max_size=50))
def test_the_price_keeps_its_bounds(price: float, target: float, delays: list[float]) -> None:
    for delay in delays:
        price = steer(price, target, delay)
    assert LEAST <= price <= GREATEST
    assert LEAST <= first_price(target) <= GREATEST
