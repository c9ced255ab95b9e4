"""``renderwatch health``: health checks of the processes on this host, for container and service managers."""

import click

from worker.health.process_heartbeat import HANGS_AFTER, SILENT_AFTER, ProcessState, Role, living_processes
from worker.health.web import ask_web
from worker.settings import get_settings

_alive_option = click.option(
    "--alive",
    is_flag=True,
    help="Check only that it responds, even if it waits for something: for checks that restart it.",
)


@click.group(short_help="Check a process on this host: worker, beat or web.")
def health() -> None:
    """Check a process on this host, in milliseconds, without database and broker. Exit code 1: not healthy.

    Heartbeats are files in the state folder, so run this with the settings of the process.
    `renderwatch doctor` checks the whole system.
    """


@health.command(short_help="Check the workers on this host.")
@_alive_option
def worker(*, alive: bool) -> None:
    """Check that the main loop of every worker on this host runs and is connected to the broker."""
    _report("worker", alive=alive)


@health.command(short_help="Check the beats on this host.")
@_alive_option
def beat(*, alive: bool) -> None:
    """Check that the main loop of every beat on this host runs and can send to the broker."""
    _report("beat", alive=alive)


@health.command(short_help="Check the web process on this host.")
@_alive_option
def web(*, alive: bool) -> None:
    """Request /readyz from the web process on this host, or /livez with --alive."""
    settings = get_settings()
    wrong = ask_web(settings.web_host, settings.web_port, "/livez" if alive else "/readyz")
    if wrong:
        raise click.ClickException(wrong)
    click.echo("web: ok")


def _report(role: Role, *, alive: bool) -> None:
    folder = get_settings().state_dir / "processes"
    states = living_processes(folder, role)
    if not states:
        raise click.ClickException(f"no {role} runs here ({folder} has no heartbeat of one); run: renderwatch {role}")
    wrong = [said for state in states if (said := _problem(state, alive=alive))]
    if wrong:
        raise click.ClickException("; ".join(f"{role} {said}" for said in wrong))
    oldest = max(state.age for state in states)
    click.echo(f"{role}: ok ({len(states)} running, last heartbeat {oldest:.0f} s ago)")


def _problem(state: ProcessState, *, alive: bool) -> str | None:
    remedy = "restart it" if alive else f"restart it if that lasts {HANGS_AFTER:g} s: a broker that hangs blocks it too"
    if state.age > (HANGS_AFTER if alive else SILENT_AFTER):
        return f"{state.pid} hangs: no heartbeat of its main loop for {state.age:.0f} s; {remedy}"
    return None if alive or state.problem is None else f"{state.pid}: {state.problem}"
