"""A failed attempt to deliver an event."""


class DeliveryError(Exception):
    """An attempt failed. The text is kept with the delivery.

    ``blames_destination``: whether it counts for the destination's circuit; not when only this event was refused.
    ``retry_after``: seconds that the destination asked us to wait.
    ``is_final``: whether the destination does not want this event at all: it is not tried again.
    """

    def __init__(
        self,
        text: str,
        *,
        blames_destination: bool = True,
        retry_after: float | None = None,
        is_final: bool = False,
    ) -> None:
        """Create the error."""
        super().__init__(text)
        self.blames_destination = blames_destination
        self.retry_after = retry_after
        self.is_final = is_final
