"""``renderwatch up``: everything in one terminal."""

import os
import shlex
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from worker.cli.context import actor
from worker.cli.dashboard import choose_dashboard, invitation
from worker.cli.output import console
from worker.cli.processes import COMMAND
from worker.cli.watch import LEARNED_FOR, Rows, line, progress, snapshot
from worker.client.connection import URL
from worker.demo import session
from worker.embedded.broker import EmbeddedBroker, embedded_broker
from worker.embedded.children import Child, Children
from worker.installation import check_installation
from worker.settings import Settings, get_settings, load_settings
from worker.startup_summary import without_password
from worker.store import schema
from worker.store.engine import Database, clock
from worker.store.monitoring.job_heartbeats import last_heartbeat
from worker.store.projects import queries
from worker.tracking.learn_durations import LearnedDurations

_EVERY: Final = 0.5
_ELSEWHERE: Final = ("DATABASE_URL", "CELERY_BROKER_URL")
_EVENT_LINES: Final = 8
_SHOWN: Final = 200
_STOP_SECONDS: Final = 40.0
_START: Final = 30.0


@dataclass(frozen=True, slots=True)
class _Stack:
    """The running parts, and the demo, if this is one."""

    settings: Settings
    database: Database
    children: Children
    broker: EmbeddedBroker | None
    demo: session.Demo | None
    started_at: datetime
    learned: LearnedDurations


@click.command(short_help="Run everything in this terminal, for a first look or for development.")
@click.option("--concurrency", default=2, show_default=True, type=click.IntRange(1, 64), help="Worker processes.")
@click.option("--webhooks", is_flag=True, help="Let the demo's simulator send webhooks, as Magic Hour does.")
def up(concurrency: int, *, webhooks: bool) -> None:
    """Run everything in this terminal: database, broker (unless CELERY_BROKER_URL is set), worker, beat, dashboard.

    Without an API key it starts a simulator, creates some projects and tracks them, so that you can see how it works.
    Ctrl-C stops everything.
    """
    check_installation()
    # SIGINT too: shells start background jobs of scripts with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        with _running(concurrency, webhooks=webhooks) as stack:
            _show(stack)
            click.echo("stopping: workers finish their current batch; press Ctrl-C again to stop at once")
    except KeyboardInterrupt:
        pass  # while starting or stopping
    click.echo("stopped")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def _running(concurrency: int, *, webhooks: bool) -> Iterator[_Stack]:
    settings = get_settings()
    if webhooks and settings.accounts:
        raise click.UsageError("--webhooks is for the demo; with an API key, webhooks come from Magic Hour")
    state = settings.state_dir.absolute()
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    environment: dict[str, str] = {}
    broker: EmbeddedBroker | None = None
    with ExitStack() as stack:
        if settings.celery_broker_url is None:
            broker = stack.enter_context(embedded_broker(state))
            environment["CELERY_BROKER_URL"] = broker.url
            click.echo(f"broker: {broker.description}")
        else:
            click.echo("broker: as in CELERY_BROKER_URL")
        prepared = None if settings.accounts else _prepare_demo(stack, settings, environment)
        settings = load_settings(os.environ | environment, Path.cwd())
        database = Database(settings.database)
        stack.callback(database.close)
        schema.migrate(database)
        logs = state / "logs"
        click.echo(f"database: {without_password(settings.database)}")
        click.echo(f"API: {settings.magic_hour_base_url}")
        click.echo(f"logs: {logs}")
        dashboard = choose_dashboard(settings)
        if prepared and webhooks:
            stack.enter_context(prepared.sending_webhooks(dashboard.url))
        click.echo(invitation(database, dashboard, state, at_terminal=console().is_terminal))
        # The broker is private, the demo has an SQLite file of its own, and the port may not be the usual one.
        own = {name: environment[name] for name in _ELSEWHERE if name in environment} | {URL: dashboard.url}
        exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in own.items())
        click.echo(f"in other terminals, first: export {exports}")
        # People read these files, so settings that apply to logs for machines do not change them.
        environment |= dashboard.environment | (
            {"RENDERWATCH_LOG_FORMAT": "text"} if settings.log_format == "auto" else {}
        )
        children = _children(
            environment, logs, settings.log_level, concurrency, with_example=prepared is not None, web=dashboard.command
        )
        with database.read() as connection:
            started_at = clock(connection)
        learned = LearnedDurations(database, LEARNED_FOR)
        yield _Stack(settings, database, stack.enter_context(children), broker, prepared, started_at, learned)


def _prepare_demo(stack: ExitStack, settings: Settings, environment: dict[str, str]) -> session.Demo:
    simulator = stack.enter_context(session.demo_simulator())
    click.echo(
        "No API key is set (MAGIC_HOUR_API_KEY), so this is a demo with a simulator: "
        f"no real projects, no real credits, and everything is {session.TIME_SCALE} times faster."
    )
    prepared = session.Demo(simulator, settings.state_dir.absolute() / "demo-events.log")
    environment |= prepared.environment(settings)
    return prepared


def _children(
    environment: dict[str, str], logs: Path, level: str, concurrency: int, *, with_example: bool, web: Sequence[str]
) -> Children:
    worker = [*COMMAND, "worker", "--loglevel", level, "--concurrency", str(concurrency), "--without-gossip"]
    worker += ["--hostname", "renderwatch-up@%h"]
    if with_example:
        worker += session.WORKER_OPTIONS
    logs.mkdir(mode=0o700, exist_ok=True)
    full = os.environ | environment
    return Children(
        [
            Child("worker", worker, full, logs / "worker.log"),
            Child("beat", [*COMMAND, "beat", "--loglevel", level], full, logs / "beat.log"),
            Child("web", web, full, logs / "web.log"),
        ],
        stop_seconds=_STOP_SECONDS,
    )


def _show(stack: _Stack) -> None:
    """Show progress until the user stops it."""
    out = console()
    if stack.demo:
        left = session.forget_earlier_demo(stack.database, actor())
        if left:
            click.echo(f"{left} projects of an earlier demo are no longer tracked, because their simulator is gone")
        _wait_for_dispatch(stack)
        made = session.create_and_track(stack.demo.simulator, stack.database, stack.settings)
        click.echo(f"created and tracked {len(made)} projects")
    else:
        click.echo("track a project with: renderwatch track ID")
    if out.is_terminal:
        _show_live(stack, out)
    else:
        _print_changes(stack)


def _keep_running(stack: _Stack) -> list[str]:
    """Restart ended processes, the broker first because the others need it. Returns lines to show."""
    line = stack.broker.keep_running() if stack.broker else None
    return [*([line] if line else []), *stack.children.keep_running()]


def _wait_for_dispatch(stack: _Stack) -> None:
    """Wait for the workers, so that the demo's projects are seen from their start."""
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        with stack.database.read() as connection:
            last = last_heartbeat(connection, "dispatch")
            if last is not None and last >= stack.started_at:
                return
        time.sleep(_EVERY)


def _rows(stack: _Stack) -> Rows:
    return snapshot(stack.database, stack.learned, queries.Filter(), _SHOWN)


def _show_live(stack: _Stack, out: Console) -> None:
    try:
        with Live(console=out, auto_refresh=False) as live:
            while True:
                for message in _keep_running(stack):
                    live.console.print(message, style="yellow", markup=False)
                height = out.height - (_EVENT_LINES + 3 if stack.demo else 2)
                parts: list[RenderableType] = [Text(""), progress(_rows(stack), height)]
                if stack.demo:
                    parts.append(Text("\nevents received by the example downstream task:", style="bold"))
                    parts += [Text(text) for text in session.tail(stack.demo.received, _EVENT_LINES)]
                parts.append(Text("Ctrl-C stops everything", style="dim"))
                live.update(Group(*parts), refresh=True)
                time.sleep(_EVERY)
    except KeyboardInterrupt:
        return


def _print_changes(stack: _Stack) -> None:
    seen: dict[object, str] = {}
    told = 0
    try:
        while True:
            for message in _keep_running(stack):
                click.echo(message)
            for row in _rows(stack):
                key, text = (row["kind"], row["project_id"]), line(row)
                if seen.get(key) != text:
                    seen[key] = text
                    click.echo(text)
            if stack.demo:
                received = session.tail(stack.demo.received, _SHOWN)
                for text in received[told:]:
                    click.echo(f"the example downstream task received: {text}")
                told = len(received)
            time.sleep(_EVERY)
    except KeyboardInterrupt:
        return
