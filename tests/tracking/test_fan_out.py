import threading

import pytest

from worker.tracking.fan_out import FanOut


def test_every_item_is_done_once() -> None:
    fan_out = FanOut(8)
    for _ in range(3):
        assert sorted(fan_out.map(lambda item: item * 2, range(100))) == list(range(0, 200, 2))
    assert fan_out.map(str, []) == []
    fan_out.close()


def test_items_that_wait_are_done_at_the_same_time() -> None:
    fan_out = FanOut(4)
    together = threading.Barrier(4, timeout=30)
    assert len(fan_out.map(lambda _: together.wait(), range(4))) == 4
    fan_out.close()


def test_items_that_do_not_wait_need_one_thread() -> None:
    fan_out = FanOut(8)
    fan_out._each = 0.0
    assert set(fan_out.map(lambda _: threading.get_ident(), range(100))) == {threading.get_ident()}
    fan_out.close()


def test_after_a_failure_no_further_item_is_begun() -> None:
    fan_out = FanOut(1)
    begun: list[int] = []

    def work(item: int) -> None:
        begun.append(item)
        raise KeyError(item)

    with pytest.raises(KeyError):
        fan_out.map(work, range(100))
    assert begun == [0]
    fan_out.close()
