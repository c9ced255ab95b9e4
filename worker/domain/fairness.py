"""Sharing what the workers can take among the accounts that want it."""

from collections.abc import Mapping


def fair_shares(wants: Mapping[str, int], capacity: int) -> dict[str, int]:
    """Divide ``capacity`` max-min fairly: nobody gets more than wanted, and who wants little gets all of it."""
    shares: dict[str, int] = {}
    left = max(capacity, 0)
    for position, name in enumerate(sorted(wants, key=lambda name: (wants[name], name))):
        claimants = len(wants) - position
        # Rounding up lets the smallest go first; nobody after it gets less than an equal part of the rest, less one.
        shares[name] = min(wants[name], -(-left // claimants))
        left -= shares[name]
    return shares
