"""How many requests it takes when webhooks report a share of the ends, and how soon polling is back when they stop.

python -m benchmarks.polling.hints    (a minute; a simulation with a clock of its own)
"""

import heapq
import sys
from dataclasses import dataclass, field
from random import Random
from statistics import mean

from benchmarks.polling.durations import MIXES
from benchmarks.polling.simulate import Finish, Project, Trial
from worker.domain.scheduling import hazard, pricing

# A webhook comes, and its check is made, about this long after the end.
LATENCY = 1.0
TARGET = 5.0
LEARNED = 300.0
RENDERS, LEARN_EVERY = 200, 300.0


@dataclass
class HintedTrial(Trial):
    """A trial in which webhooks report a share of the ends, until a time."""

    share: float = 0.0
    stop_at: float = float("inf")
    reported: set[int] = field(default_factory=set)

    def _run_freely(self) -> None:
        random = Random(self.seed + 1)
        queue: list[tuple[float, int, Project, bool]] = []
        while queue or self.arrivals:
            if self.arrivals and (not queue or self.arrivals[0].start <= queue[0][0]):
                project = self.arrivals.popleft()
                self._start(project)
                heapq.heappush(queue, (project.due, project.number, project, False))
                told_at = project.start + project.duration + LATENCY
                if random.random() < self.share and told_at < self.stop_at:
                    heapq.heappush(queue, (told_at, project.number, project, True))
                continue
            now, _, project, told = heapq.heappop(queue)
            self._learn(now)
            if project.number not in self.open or (not told and now != project.due):
                continue
            if told:
                self._report(project, now)
            elif not self._ask(project, now):
                heapq.heappush(queue, (project.due, project.number, project, False))

    def _report(self, project: Project, now: float) -> None:
        """Check a project at once, and steer as a worker does when a webhook reported the end."""
        table = self.tables[project.type.name]
        price = self._price(table)
        delay = hazard.expected_delay(table, project.seen_at - project.clock, project.gap)
        self._ask(project, now)
        self.now_price = pricing.steer(price, self.target, delay, hinted=True)
        self.reported.add(project.number)


def main() -> int:
    """Print both tables."""
    print(f"{'ends reported':>14}{'requests':>10}{'mean delay':>12}{'polled: mean':>14}{'p95':>8}")
    for share in (0.0, 0.5, 0.9):
        trial = HintedTrial(MIXES["lognormal"], TARGET, RENDERS, share=share, learn_every=LEARN_EVERY)
        trial.run()
        late = [each for each in trial.finishes if each.at > LEARNED]
        polled = sorted(each.delay for each in late if each.number not in trial.reported) or [0.0]
        p95 = polled[int(0.95 * (len(polled) - 1))]
        requests, delay = mean(each.requests for each in late), mean(each.delay for each in late)
        print(f"{share:14.0%}{requests:10.2f}{delay:11.2f}s{mean(polled):13.2f}s{p95:7.1f}s")
    _print_return(HintedTrial(MIXES["lognormal"], TARGET, RENDERS, share=0.9, stop_at=2400.0, learn_every=LEARN_EVERY))
    return 0


def _print_return(trial: HintedTrial) -> None:
    """Print the delays after webhooks stopped, by the minute."""
    trial.run()
    print(f"\nnine tenths reported, ten renders a minute; after {trial.stop_at:g} s webhooks stop:")
    for minute in (0, 1, 2, 3, 5, 8):
        start = trial.stop_at + 60 * minute
        ended: list[Finish] = [each for each in trial.finishes if start <= each.at < start + 60]
        if ended:
            print(f"  minute {minute + 1}: mean delay {mean(each.delay for each in ended):5.1f} s")


if __name__ == "__main__":
    sys.exit(main())
