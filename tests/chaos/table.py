"""The account of a chaos run, for people to read."""

from collections.abc import Iterator

from tests.chaos.run import Outcome


def table(outcome: Outcome) -> str:
    """Return a table: what was done on the left, what came of it on the right."""
    return "\n".join(_lines(outcome))


def _lines(outcome: Outcome) -> Iterator[str]:
    yield f"\nchaos: {outcome.name}, seed {outcome.seed}"
    for title, counts in (
        ("faults of processes, broker and database", outcome.injected),
        ("faults of the API", outcome.api_faults),
    ):
        yield f"  {title:<52}{counts.total():>8}"
        for name, count in sorted(counts.items()):
            yield f"    {name:<50}{count:>8}"
    for title, number in (
        ("projects tracked", outcome.projects),
        ("requests", outcome.requests),
        ("events", outcome.events),
        ("events delivered again under the same id (allowed)", outcome.repeated),
        ("events that a broker took and lost with its memory", outcome.lost_by_broker),
    ):
        yield f"  {title:<52}{number:>8}"
    for name, count in sorted(outcome.surprises.items()):
        yield f"  {name + ' by itself, started again':<52}{count:>8}"
    for name, places in outcome.broken.items():
        yield f"  {name:<52}{len(places):>16}"
