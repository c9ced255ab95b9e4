"""Sharing the workers' capacity among the accounts."""

from collections.abc import Mapping


def fair_shares(wants: Mapping[str, int], capacity: int, turn: int) -> dict[str, int]:
    """Divide ``capacity`` max-min fairly: no account gets more than it wants, and small wants are met in full.

    The remainder goes one by one to accounts that want more, starting with a different one each ``turn``, so that in
    the long run none is passed over.
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
