"""Sharing what the workers can take among the accounts that want it."""

from collections.abc import Mapping


def fair_shares(wants: Mapping[str, int], capacity: int, turn: int) -> dict[str, int]:
    """Divide ``capacity`` max-min fairly: nobody gets more than wanted, and who wants little gets all of it.

    What cannot be divided goes one by one to those who want more, beginning with another one each ``turn``, so that in
    the long run nobody is passed over.
    """
    left = max(capacity, 0)
    shares: dict[str, int] = {}
    waiting = sorted(wants, key=lambda name: (wants[name], name))
    while waiting and wants[waiting[0]] <= left // len(waiting):
        name = waiting.pop(0)
        shares[name] = wants[name]
        left -= wants[name]
    for position, name in enumerate(sorted(waiting)):
        level, rest = divmod(left, len(waiting))
        shares[name] = level + ((position + turn) % len(waiting) < rest)
    return shares
