"""The names of tasks and queues, which other services and operators use."""

from typing import Final

TRACK: Final = "renderwatch.track"
DISPATCH: Final = "renderwatch.dispatch"
CHECK: Final = "renderwatch.check"
DELIVER: Final = "renderwatch.deliver"
LEARN: Final = "renderwatch.learn"
MAINTENANCE: Final = "renderwatch.upkeep"
# Sent by the consumer's Celery when its task for an event ends.
CONFIRM: Final = "renderwatch.confirm"

INTAKE: Final = "renderwatch.intake"
CHECKS: Final = "renderwatch.checks"
DELIVERIES: Final = "renderwatch.deliveries"
UPKEEP: Final = "renderwatch.upkeep"
CONFIRMATIONS: Final = "renderwatch.confirmations"
