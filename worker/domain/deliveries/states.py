"""The states of a delivery.

| state | means |
|---|---|
| pending | it is to be sent, now or after a pause |
| sent | the destination took it; where a confirmation is wanted, it is awaited until ``confirm_by`` |
| confirmed | the consumer's task succeeded, or the endpoint answered 2xx |
| failed | the consumer's task ended in failure; the event is sent again after a pause |
| dead | it was given up |

``failed`` is only what the consumer itself reports. An attempt that does not reach the destination, or that is not
confirmed in time, is ``pending`` again. Both wait and are given up in the same way. When a failed delivery comes due it
is pending while it is being sent.
"""

from typing import Final, Literal, get_args

DeliveryState = Literal["pending", "sent", "confirmed", "failed", "dead"]
STATES: Final[tuple[DeliveryState, ...]] = get_args(DeliveryState)
