"""Faults of our own processes: killed, frozen, restarted."""

import signal
from collections.abc import Callable
from typing import Final

from tests.chaos.processes import children, signal_group, signal_one
from tests.chaos.world import LEASE, Inject, World


def _one(world: World, role: str) -> int | None:
    mains = world.fleet.mains(role)
    return world.random.choice(mains) if mains else None


def kill(role: str) -> Inject:
    """Kill a process with all its children."""

    def act(world: World) -> bool:
        pid = _one(world, role)
        if pid is None:
            return False
        world.fleet.expect_end(pid)
        return signal_group(pid, signal.SIGKILL)

    return act


def kill_child(world: World) -> bool:
    """Kill one of the processes in which a worker runs its tasks."""
    pid = _one(world, "worker")
    pool = children(pid) if pid else []
    return bool(pool) and signal_one(world.random.choice(pool), signal.SIGKILL)


def freeze(world: World) -> bool:
    """Stop a worker with all its children until its leases are over, then let it go on."""
    return _freeze(world, signal_group)


def freeze_child(world: World) -> bool:
    """Stop one child of a worker in the same way."""

    def signal_child(pid: int, number: signal.Signals) -> bool:
        return bool(pool) and signal_one(child, number) and pid > 0

    pid = _one(world, "worker")
    pool = children(pid) if pid else []
    if pid is None or not pool:
        return False
    child = world.random.choice(pool)
    return _stop_for_a_while(world, pid, signal_child)


def _freeze(world: World, send: Callable[[int, signal.Signals], bool]) -> bool:
    pid = _one(world, "worker")
    return pid is not None and _stop_for_a_while(world, pid, send)


def _stop_for_a_while(world: World, pid: int, send: Callable[[int, signal.Signals], bool]) -> bool:
    if not send(pid, signal.SIGSTOP):
        return False
    world.fleet.frozen.add(pid)

    def go_on() -> None:
        world.fleet.frozen.discard(pid)
        send(pid, signal.SIGCONT)

    world.later(LEASE + world.random.uniform(0.5, 3), go_on)
    return True


def restart(role: str) -> Inject:
    """Ask a process to stop; whoever looks after it starts it again."""

    def act(world: World) -> bool:
        pid = _one(world, role)
        if pid is None:
            return False
        world.fleet.expect_end(pid)
        return signal_one(pid, signal.SIGTERM)

    return act


def kill_up(world: World) -> bool:
    """Kill ``renderwatch up`` itself; what it had started must not outlive it for long."""
    pid = _one(world, "up")
    if pid is None:
        return False
    world.fleet.expect_end(pid)
    return signal_one(pid, signal.SIGKILL)


UP: Final[dict[str, Inject]] = {"renderwatch up killed": kill_up, "renderwatch up restarted": restart("up")}
WORKERS: Final[dict[str, Inject]] = {
    "worker killed": kill("worker"),
    "worker's child killed": kill_child,
    "worker frozen beyond its lease": freeze,
    "worker's child frozen beyond its lease": freeze_child,
    "worker restarted": restart("worker"),
    "beat killed": kill("beat"),
}
