"""How many requests of a batch run concurrently."""

import math
from dataclasses import dataclass


@dataclass(slots=True)
class Concurrency:
    """As many as finish a batch within ``aim`` seconds, at the latency of the previous batch.

    If the API responds at once, few are best: more would only wait for each other, and ``fewest`` keep a processor
    busy. ``at_first`` applies until a latency is known; ``most`` is the limit.
    """

    aim: float
    fewest: int
    at_first: int
    most: int
    latency: float | None = None

    def of(self, requests: int) -> int:
        """Return how many of these requests to run at once."""
        if self.latency is None:
            wanted = self.at_first
        else:
            wanted = max(self.fewest, math.ceil(requests * self.latency / self.aim))
        return min(wanted, requests, self.most)

    def observe(self, requests: int, seconds: float) -> None:
        """Record the total duration of these requests."""
        if requests:
            self.latency = seconds / requests
