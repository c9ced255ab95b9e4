"""Celery's remote control, without the commands that stop work.

Any client of the broker can send commands. Our own commands and health checks use ``ping`` and list queues; workers are
stopped with SIGTERM. So the commands that could end or idle a worker are removed.
"""

from typing import Final

from celery.worker.control import Panel

REFUSED: Final = (
    *("add_consumer", "cancel_consumer", "rate_limit", "time_limit"),
    *("autoscale", "pool_grow", "pool_restart", "pool_shrink", "shutdown"),
    *("revoke", "revoke_by_stamped_headers", "terminate"),
)


def register() -> None:
    """Remove these commands in this process."""
    for name in REFUSED:
        Panel.data.pop(name, None)
        Panel.meta.pop(name, None)
