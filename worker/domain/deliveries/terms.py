"""How deliveries to a destination are made, whatever its kind."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Terms:
    """What is promised for a destination, and its limits.

    ``confirm``: seconds to wait for the consumer's confirmation; None: it is delivered when the destination took it.
    ``acknowledges``: its answer is the confirmation, as an HTTP endpoint's 2xx is.
    ``ordered``: of each project's events, the next waits until the one before is delivered or dead.
    ``most_in_flight``: deliveries that are being sent, or wait for their confirmation, at the same time.
    ``batch``: deliveries that one thread sends one after the other.
    """

    confirm: float | None = None
    acknowledges: bool = False
    ordered: bool = False
    most_in_flight: int = 1000
    batch: int = 200
