"""The remedy for a broker that cannot be used."""

from typing import Final

# Redis's errors for exhausted memory and for a key that is not a list.
OUT_OF_MEMORY: Final = "maxmemory"
_WRONG_TYPE: Final = "WRONGTYPE"


def broker_remedy(problem: str) -> str:
    """Return how to fix a broker that cannot be used, given its error or the network's."""
    if OUT_OF_MEMORY in problem:
        return "free memory on the broker, or raise its maxmemory; then renderwatch doctor --only broker"
    if _WRONG_TYPE in problem:
        return "another program uses the key of this queue: rename or delete it; then renderwatch doctor --only broker"
    return "start the broker, or correct CELERY_BROKER_URL; then renderwatch doctor --only broker"
