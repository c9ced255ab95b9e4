"""How many requests, and how late: our check times beside the usual ones and beside the best that there could be.

python -m benchmarks.polling [--picture FILE] [--projects 60]

With fewer projects than usual it only shows that everything runs: one mix, and nothing has to be reached.
"""

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from functools import partial
from itertools import accumulate
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

from benchmarks.polling import all_in
from benchmarks.polling.durations import MIXES, Type, lognormal
from benchmarks.polling.optimum import at_delay, known_type, mean
from benchmarks.polling.overload import Overload
from benchmarks.polling.picture import frontier
from benchmarks.polling.policies import Figures, backing_off, best, figures, fixed, scanning, tried, with_delay
from benchmarks.polling.simulate import Finish, Trial
from worker.domain.scheduling import hazard
from worker.domain.scheduling.prioritization import LONGEST_WAIT
from worker.domain.scheduling.schedule import Plan
from worker.domain.scheduling.settling import SettledProject, estimate_rates
from worker.store.engine import Database
from worker.store.schema import migrate

TARGET = 5.0
COUNT = 500
# Where all is known, learning each minute changes nothing but the time that the trials take.
SELDOM = 300.0
MIXED = "mixed, 20 s to 10 min"
USUAL = {
    "the vendor's loop, 0.5 s": fixed(0.5),
    "fixed 5 s": fixed(5),
    "fixed 10 s": fixed(10),
    "fixed 30 s": fixed(30),
    "beat scanning every 10 s": scanning(10),
    "back-off x 1.5 to 60 s": backing_off(1.5, 1, 60),
}
Line = tuple[str, Figures]
Verdict = tuple[str, float, float]


def of(finishes: Sequence[Finish]) -> Figures:
    """Sum up finished projects."""
    return figures([each.requests for each in finishes], [each.delay for each in finishes])


def known_well(trial: Trial, count: int) -> list[Finish]:
    """Return what finished when each type's first 40 % had, usually 200 projects: the mix stays what it is."""
    return [each for each in trial.finishes if each.nth > 0.4 * count * shares(trial.types)[each.type]]


def shares(types: Sequence[Type]) -> Counter[str]:
    """Return how often each type is named in a mix."""
    return Counter(kind.name for kind in types)


def steady(mix: str, target: float, count: int = COUNT) -> Figures:
    """Return ours, once 40 % of the projects of each type have finished."""
    trials = (Trial(MIXES[mix], target, count, seed=seed, learn_every=SELDOM) for seed in (1, 2))
    return of([each for trial in trials for each in known_well(trial.run(), count)])


def table(mix: str, count: int = COUNT) -> tuple[list[Line], list[Verdict]]:
    """Return the lines of a mix, and what is to be reached on it."""
    types = MIXES[mix]
    known = [known_type(kind) for kind in types]
    ours = {target: steady(mix, target, count) for target in (2.0, TARGET, 10.0)}
    lines = [(name, tried(policy, types)) for name, policy in USUAL.items()]
    lines += [(f"Renderwatch, target {target:g} s", each) for target, each in ours.items()]
    lines += [(f"optimum if all were known, price {price:g}", best(known, types, price)) for price in (0.2, 1.0, 4.0)]
    lines.append(("clairvoyant", Figures(1.0, 0.0, 0.0, 0.0)))
    middle = ours[TARGET]
    verdicts = [
        (
            f"{mix}: requests ÷ optimum's at the same delay",
            middle.requests / at_delay(known, middle.delay).requests,
            1.12,
        ),
        (f"{mix}: distance from the target", abs(middle.delay / TARGET - 1), 0.15),
    ]
    return lines, verdicts


def cost(types: Sequence[Type], finishes: Sequence[Finish]) -> float:
    """Return requests and delay of a project at a price of 1: of each type, weighed by its share of the mix."""
    sums: defaultdict[str, list[float]] = defaultdict(list)
    for each in finishes:
        sums[each.type].append(each.requests + each.delay)
    return fmean(fmean(sums[kind.name]) for kind in types)


def first_projects(mix: str) -> list[Verdict]:
    """Compare total costs at a price of 1 while a type is new, and when it has become known."""
    types = MIXES[mix]
    even = list(dict.fromkeys(types))
    optimum = mean([known_type(kind).best(1.0) for kind in types])
    trials = (Trial(even, TARGET, 40, seed=seed, price=1.0).run() for seed in range(6))
    new = [each for trial in trials for each in trial.finishes if each.number < 20 * len(even)]
    known = Trial(even, TARGET, 500, seed=7, price=1.0).run().finishes
    later = [each for each in known if each.number >= 100 * len(even)]
    best_cost = optimum.requests + optimum.delay
    return [
        (f"{mix}: cost of the first 20 ÷ optimum's", cost(types, new) / best_cost, 1.4),
        (f"{mix}: cost of the 100th to 500th ÷ optimum's", cost(types, later) / best_cost, 1.1),
    ]


def beside_others() -> list[Verdict]:
    """Compare with the usual policies, each at our own mean delay."""
    types, ours = MIXES[MIXED], steady(MIXED, TARGET)
    even = with_delay(lambda scale: fixed(10 * scale), types, ours.delay)
    growing = with_delay(lambda scale: backing_off(1.5, scale, 60 * scale), types, ours.delay)
    return [
        (f"{MIXED}: requests ÷ fixed interval's at the same delay", ours.requests / even.requests, 0.55),
        (f"{MIXED}: requests ÷ back-off's at the same delay", ours.requests / growing.requests, 0.4),
    ]


def regime(factor: float) -> list[Verdict]:
    """Let all durations change for an hour."""
    start, end = 6000.0, 9600.0
    trial = Trial(MIXES[MIXED], TARGET, 350, every=3, change=partial(_hour, factor, start, end))
    within = of([each for each in trial.run().finishes if start < each.at < end])
    name = f"{MIXED}: an hour of durations x {factor:g}, distance from the target"
    return [(name, abs(within.delay / TARGET - 1), 0.2)]


def _hour(factor: float, start: float, end: float, at: float) -> float:
    return factor if start < at < end else 1.0


def limited(mix: str) -> list[Verdict]:
    """Limit the rate to half of what would be asked."""
    make = partial(Trial, MIXES[mix], TARGET, 100, seed=6, every=4)
    free = make().run().finishes
    rate = sum(each.requests for each in free) / max(each.at for each in free) / 2
    oldest, ranked = (
        [each for each in make(rate=rate, ranked=way).run().finishes if each.nth > 25] for way in (False, True)
    )
    longest = max(each.longest_overdue for each in ranked)
    return [
        (f"{mix}: half the rate, delay ÷ oldest-due-first's", of(ranked).delay / of(oldest).delay, 0.65),
        (f"{mix}: half the rate, longest wait ÷ age limit", longest / LONGEST_WAIT, 1.02),
    ]


def beside_settling() -> list[Verdict]:
    """Let the real claim choose at half of the rate, beside a thousand projects that settle."""
    kind = lognormal("TEXT_TO_VIDEO", 60, 0.4)
    ages = list(accumulate(Plan.settle_gaps))
    rates = estimate_rates(ages, [SettledProject(ages[-1])] * 400)
    trial = Overload(kind, hazard.guess(60), running=250, settling=1000, rate=8, rates=rates)
    with TemporaryDirectory() as folder, closing(Database(f"sqlite:///{folder}/overload.db")) as database:
        migrate(database)
        trial.run(database, seconds=240)
    return [
        ("half the rate, delay beside 1000 settling ÷ without", trial.slowdown, 1.1),
        ("half the rate, longest wait of a settling check ÷ planned", trial.longest_wait, 2.0),
    ]


def show(mix: str, lines: Sequence[Line]) -> None:
    """Print the table of a mix."""
    print(f"\n{mix}\n{'':38}{'requests':>10}{'mean delay':>12}{'p95':>8}{'p99':>8}")
    for name, each in lines:
        print(f"{name:38}{each.requests:10.1f}{each.delay:11.2f}s{each.p95:7.1f}s{each.p99:7.1f}s")


def main() -> int:
    """Print it all; the exit code is 1 when something was not reached."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--picture", type=Path, help="where to draw the frontier (SVG)")
    arguments.add_argument("--projects", type=int, default=COUNT, help="of each type, in each trial")
    given = arguments.parse_args()
    if given.projects < COUNT:
        show(MIXED, table(MIXED, given.projects)[0])
        all_in.show(all_in.lines(MIXES[MIXED], given.projects))
        return 0
    return compare(given.picture)


def compare(picture: Path | None) -> int:
    """Compare everything. Returns 1 when something was not reached."""
    jobs: list[Callable[[], list[Verdict]]] = [
        *(partial(first_projects, mix) for mix in MIXES),
        beside_others,
        partial(regime, 2.0),
        partial(regime, 0.5),
        partial(limited, MIXED),
        beside_settling,
    ]
    with ProcessPoolExecutor() as pool:
        tables = {mix: pool.submit(table, mix) for mix in MIXES}
        others = [pool.submit(job) for job in jobs]
        everything = pool.submit(all_in.lines, MIXES[MIXED], COUNT // 2)
        verdicts: list[Verdict] = []
        for mix, future in tables.items():
            lines, reached = future.result()
            verdicts += reached
            show(mix, lines)
            if mix == MIXED and picture:
                picture.write_text(frontier(lines), encoding="utf-8")
        all_in.show(everything.result())
        for other in others:
            verdicts += other.result()
    print(f"\n{'':78}{'measured':>9}{'at most':>9}")
    for name, value, most in verdicts:
        print(f"{name:78}{value:9.3f}{most:9.2f}  {'' if value <= most else 'NOT REACHED'}")
    return int(any(value > most for _, value, most in verdicts))


if __name__ == "__main__":
    sys.exit(main())
