from dataclasses import dataclass


@dataclass
class Clock:
    """Stands still until it is set."""

    now: float = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now
