"""The names that other services and operators write: of tasks and of queues."""

from typing import Final

TRACK: Final = "renderwatch.track"
DISPATCH: Final = "renderwatch.dispatch"
CHECK: Final = "renderwatch.check"
DELIVER: Final = "renderwatch.deliver"
LEARN: Final = "renderwatch.learn"
KEEP_UP: Final = "renderwatch.upkeep"

INTAKE: Final = "renderwatch.intake"
CHECKS: Final = "renderwatch.checks"
DELIVERIES: Final = "renderwatch.deliveries"
UPKEEP: Final = "renderwatch.upkeep"
