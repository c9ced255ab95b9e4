"""One chaos run: faults while ids are handed over and followed, then calm, then the account of it all."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from tests.celery.world import Received, received
from tests.chaos import judgement, secrets
from tests.chaos.enqueuer import Enqueuer
from tests.chaos.expected import ALLOWED
from tests.chaos.messages import listen
from tests.chaos.stacks import BURST, RATE, Place
from tests.chaos.world import World, inject
from tests.support.judge import Watch, trouble_in_logs
from tests.support.processes import API_KEY, wait_for
from worker.domain.intake.request import parse_request
from worker.simulator import FAULTS, Faults
from worker.store.intake.store_requests import store_requests
from worker.store.projects.operator_actions import untrack

PAUSE: Final = (0.5, 2.0)
RATES: Final[Mapping[str, float]] = {
    **dict.fromkeys(FAULTS, 0.01),
    # Each of these slows the whole account down for long; the script brings some more.
    "429_seconds": 0.001,
    "429_date": 0.001,
    "flapping": 0.05,
}
BAD_API: Final = Faults(rates=RATES, retry_after=2, slow_seconds=3, spell_seconds=2)
PATHS: Final = (
    "/v1/image-to-video",
    "/v1/text-to-video",
    "/v1/lip-sync",
    "/v1/ai-image-generator",
    "/v1/ai-voice-generator",
)
_CALM: Final = 300
# An account that a fault of the API has paused is asked for once a minute; then everything is on its way again.
_RECOVERED_AFTER: Final = 90.0


@dataclass(frozen=True)
class Outcome:
    """What a run came to. ``broken`` has a list for each promise; all of them are empty in a good run."""

    name: str
    seed: int
    injected: Counter[str]
    api_faults: Counter[str]
    projects: int
    events: int
    repeated: int
    requests: int
    lost_by_broker: int
    surprises: Counter[str]
    broken: dict[str, list[str]]


def run(world: World, place: Place, seed: int, faults: int, projects: int) -> Outcome:
    """Run so many faults through a stack while so many projects are followed."""
    enqueuer = Enqueuer(world.broker, world.store)
    rounds = -(-faults // len(world.faults))
    left = [projects // rounds] * rounds
    left[0] += projects % rounds

    # Each kind once, so that none is left to chance; again and again they would keep the account paused.
    script = list(FAULTS)
    world.random.shuffle(script)
    world.simulator.misbehave(BAD_API, script)

    def every_round() -> None:
        count = left.pop() if left else 0
        for path in PATHS:
            if count:
                enqueuer.add(world.simulator.create(max(1, count // len(PATHS)), path))

    inject(world, faults, PAUSE, every_round=every_round, every_time=lambda: listen(world))
    world.calm()
    _let_go_of_refused(world)
    # Those of which nobody has met one yet, for in a short run nobody may have asked.
    met = world.simulator.stats()["faults"]
    world.simulator.misbehave(replace(BAD_API, rates={}), [fault for fault in script if fault not in met])
    try:
        return _settle(world, place, seed, enqueuer)
    finally:
        enqueuer.stop()


def _let_go_of_refused(world: World) -> None:
    """Untrack what the API refuses for ever, which would only expire in a week. Each must say why it fails."""
    with world.store.database.write() as connection:
        for id_, kind in world.refused.items():
            store_requests(connection, [parse_request({"kind": kind, "project_id": id_}, ())])
            untrack(connection, kind, [id_], "chaos", None)


def _settle(world: World, place: Place, seed: int, enqueuer: Enqueuer) -> Outcome:
    watch = Watch(world.store.database)
    watch.excuse(_RECOVERED_AFTER)

    def over() -> bool:
        world.live(0.3)
        watch.look()
        count = len(enqueuer.handed) + len(world.refused)
        return not enqueuer.left and world.store.all_closed(count) and not _pending(world)

    def stands() -> object:
        return world.store.states() | {"not stored": enqueuer.left, "deliveries": _pending(world)}

    wait_for(over, _CALM, f"{world.name}: everything is stored, closed and told", stands)
    _wait_for_news(world, place)
    calls = received(place.received)
    broken = judgement.judge(world, enqueuer.handed, calls, RATE, BURST)
    broken["green while work stood still"] = world.lies
    broken["left waiting"] = list(watch.found.values())
    broken["errors in logs"] = trouble_in_logs(world.fleet.logs(), ALLOWED)
    broken["secrets"] = secrets.in_logs([API_KEY], world.fleet.logs()) + secrets.in_rows([API_KEY], world.store)
    return Outcome(
        name=world.name,
        seed=seed,
        injected=world.injected,
        api_faults=Counter(world.simulator.stats()["faults"]),
        projects=len(enqueuer.handed),
        events=int(world.store.value("SELECT count(*) FROM events")),
        repeated=len(calls) - len({call.event["id"] for call in calls}),
        requests=sum(len(times) for times in world.simulator.requests().values()),
        lost_by_broker=len(judgement.lost_by_broker(world, calls)),
        surprises=world.fleet.surprises,
        broken=broken,
    )


def _pending(world: World) -> int:
    return int(world.store.value("SELECT count(*) FROM deliveries WHERE state <> 'sent'"))


def _wait_for_news(world: World, place: Place) -> None:
    """Wait until all news has arrived, or none has for ten seconds."""
    patience = 0
    before: list[Received] = []
    events = int(world.store.value("SELECT count(*) FROM events"))
    while patience < 20:
        world.live(0.5)
        calls = received(place.received)
        if len({call.event["id"] for call in calls}) >= events:
            return
        patience = patience + 1 if len(calls) == len(before) else 0
        before = calls
