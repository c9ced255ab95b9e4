"""Measure whole checks beside the usual design and a bare request, and what else costs time; print tables.

python -m benchmarks.speed [--only idle,latency] [--latency-ms 50] [--rounds 3] [--seconds 8] [--checks 50000]
                          [--messages 5000] [--events 10000]
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Final

from benchmarks.speed import celery_events, claims, idle, intake, latency, memory, messages, webhooks
from benchmarks.speed.machine import Api, processor, redis_server, spread, stand_in
from benchmarks.speed.whole import WORKERS, Run, renderwatch, usual

USUAL, LEAN, FAST, BARE = "the usual design", "Renderwatch", "Renderwatch, with the extra", "bare loops of Session.get"
_EVENTS: Final = 10_000
PARTS: Final = ("checks", "tls", "claims", "intake", "messages", "latency", "idle", "memory", "webhooks", "events")


def main() -> None:
    """Measure what was asked for."""
    given = _parser().parse_args()
    print(f"{processor()}, Python {sys.version.split()[0]}; the middle of {given.rounds} rounds (least to greatest)\n")
    parts: dict[str, Callable[[], None]] = {
        "checks": lambda: _compare_latencies(given, tls=False),
        "tls": lambda: _compare_latencies(given, tls=True),
        "claims": claims.main,
        "intake": intake.main,
        "messages": lambda: messages.main(given.messages),
        "latency": latency.report,
        "idle": lambda: idle.report(given.rounds),
        "memory": lambda: memory.report(given.checks),
        "webhooks": lambda: webhooks.report(given.rounds, given.events),
        "events": lambda: celery_events.report(given.rounds, given.events),
    }
    for name in given.only:
        parts[name]()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=_parts, default=PARTS, metavar="PART,…", help=f"of {', '.join(PARTS)}")
    parser.add_argument(
        "--latency-ms", type=float, default=50.0, help="time the API takes to answer; a second table has 0 ms"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="for each design in each round")
    parser.add_argument(
        "--checks", type=int, default=memory.CHECKS, help="while memory is looked at; a million is the goal's"
    )
    parser.add_argument("--messages", type=int, default=messages.COUNT, help="to each design on each broker")
    parser.add_argument("--events", type=int, default=_EVENTS, help="to the HTTPS endpoint and to the Celery task")
    return parser


def _parts(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if not set(names) <= set(PARTS):
        raise argparse.ArgumentTypeError(f"the parts are {', '.join(PARTS)}")
    return names


def _compare_latencies(given: argparse.Namespace, *, tls: bool) -> None:
    """Compare at the latency that was asked for, and at none, where nothing hides what the code costs."""
    for latency_ms in sorted({given.latency_ms, 0.0}, reverse=True):
        compare(given.rounds, given.seconds, latency_ms / 1000, tls=tls)


def compare(rounds: int, seconds: float, latency: float, *, tls: bool) -> None:
    """Run the designs one after the other, several times, and print how they compare in each round.

    ``latency`` is the seconds that the API takes to answer.
    """
    runs: dict[str, list[Run]] = {USUAL: [], LEAN: [], FAST: []}
    bare: list[tuple[float, float]] = []
    for _ in range(rounds):
        with (
            tempfile.TemporaryDirectory() as name,
            stand_in(Path(name), tls=tls, delay=latency) as api,
            redis_server() as broker,
        ):
            folder = Path(name)
            bare.append(_bare(api, seconds / 2))
            runs[LEAN].append(renderwatch(folder, api, broker, "requests", seconds))
            runs[FAST].append(renderwatch(folder, api, broker, "curl", seconds))
            runs[USUAL].append(usual(folder, api, broker, seconds))
    _print(runs, bare, f"{'TLS' if tls else 'plain HTTP'}, {1000 * latency:g} ms")


def _bare(api: Api, seconds: float) -> tuple[float, float]:
    """Run as many bare loops at once as the designs have workers: a core whose neighbour works too does less."""
    command = [sys.executable, "-m", "benchmarks.speed.bare", f"{api.url}/v1/video-projects/project-1", str(seconds)]
    variables = {**os.environ, **api.variables}
    with ExitStack() as stack:
        started = [Popen(command, stdout=PIPE, text=True, env=variables) for _ in range(WORKERS)]  # noqa: S603  our own
        loops = [stack.enter_context(each) for each in started]
        each = [list(map(float, loop.communicate()[0].split())) for loop in loops]
    return sum(rate for rate, _ in each), sum(cpu for _, cpu in each) / WORKERS


def _print(runs: dict[str, list[Run]], bare: list[tuple[float, float]], title: str) -> None:
    print(
        f"| {title} | checks/s | ms of CPU per check | of it worker | database | broker | broker commands per check |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name, each in runs.items():
        fields = [[getattr(run, field) for run in each] for field in ("rate", "cpu", "worker", "database", "broker")]
        print(f"| {name} |", " | ".join(map(spread, fields)), f"| {spread(run.commands for run in each)} |")
    print(f"| {BARE} | {spread(rate for rate, _ in bare)} | {spread(each for _, each in bare)} | | | | |")
    for name in (LEAN, FAST):
        times = [ours.rate / theirs.rate for ours, theirs in zip(runs[name], runs[USUAL], strict=True)]
        whole = [run.cpu / each for run, (_, each) in zip(runs[name], bare, strict=True)]
        alone = [run.worker / each for run, (_, each) in zip(runs[name], bare, strict=True)]
        print(f"\n{name}: {spread(times)} times the usual design's checks/s;")
        print(f"{spread(whole)} times the CPU of a bare Session.get, with database and broker; {spread(alone)} without")
    share = [run.api * run.rate / 1000 for run in runs[FAST]]
    memory = [run.memory for name in (LEAN, FAST) for run in runs[name]]
    print(f"\nThe largest worker process had {spread(memory)} MiB in use at the end.")
    print(f"The stand-in used {spread(share)} of a core at the fastest.\n", flush=True)


if __name__ == "__main__":
    main()
