"""Splitting a long list into batches."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

_T = TypeVar("_T")


def batched(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    """Yield consecutive slices of at most ``size`` items. Like itertools.batched of Python 3.12, but of slices."""
    return (items[start : start + size] for start in range(0, len(items), size))
