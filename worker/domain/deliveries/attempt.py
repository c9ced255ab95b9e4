"""The outcome of one attempt to deliver an event."""

from dataclasses import dataclass


class NotTriedError(Exception):
    """A delivery was claimed and not tried: the time for its batch was over, or the destination wants none now."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """``error`` is None if the destination took the event.

    ``status`` is that of an HTTP answer, and ``seconds`` how long the attempt took; both are None for other kinds.
    """

    error: Exception | None = None
    status: int | None = None
    seconds: float | None = None

    @property
    def was_made(self) -> bool:
        """Whether it was made at all."""
        return not isinstance(self.error, NotTriedError)
