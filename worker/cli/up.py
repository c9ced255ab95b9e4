"""``renderwatch up``: everything in one terminal."""

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from worker.cli import demo
from worker.cli.dashboard import choose_dashboard, invitation
from worker.cli.output import console
from worker.cli.watch import line, progress
from worker.embedded.broker import EmbeddedBroker, embedded_broker
from worker.embedded.children import Child, Children
from worker.settings import Settings, get_settings, load_settings
from worker.store import queries, schema
from worker.store.engine import Database, clock
from worker.store.heartbeat import last_beat

_EVERY: Final = 0.5
_NEWS_LINES: Final = 8
_SHOWN: Final = 200
_PATIENCE: Final = 40.0
_START: Final = 30.0


@dataclass(frozen=True, slots=True)
class _Stack:
    """What runs, and the demo that it runs for, if it is one."""

    settings: Settings
    database: Database
    children: Children
    broker: EmbeddedBroker | None
    demo: demo.Demo | None
    started_at: datetime


@click.command(short_help="Run everything here: database, broker, worker, beat, dashboard.")
@click.option("--concurrency", default=2, show_default=True, type=click.IntRange(1, 64), help="Worker processes.")
def up(concurrency: int) -> None:
    """Run everything in this terminal: database, broker (unless CELERY_BROKER_URL is set), worker, beat, dashboard.

    Without an API key it starts a simulator, creates some projects and tracks them, so that you can see how it works.
    Ctrl-C stops everything.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with _running(concurrency) as stack:
            _show(stack)
            click.echo("stopping: workers finish what they are doing; Ctrl-C again does not wait")
    except KeyboardInterrupt:
        pass  # while starting or stopping
    click.echo("stopped")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def _running(concurrency: int) -> Iterator[_Stack]:
    settings = get_settings()
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
            click.echo("broker: the one of CELERY_BROKER_URL")
        prepared = None if settings.accounts else _prepare_demo(stack, settings, environment)
        settings = load_settings(os.environ | environment, Path.cwd())
        database = Database(settings.database)
        stack.callback(database.close)
        schema.migrate(database)
        logs = state / "logs"
        click.echo(f"database: {database.engine.url.render_as_string(hide_password=True)}")
        click.echo(f"API: {settings.magic_hour_base_url}")
        click.echo(f"logs: {logs}")
        dashboard = choose_dashboard(settings)
        click.echo(invitation(database, dashboard, state, at_terminal=console().is_terminal))
        environment |= dashboard.environment
        children = _children(
            environment, logs, settings.log_level, concurrency, with_example=prepared is not None, web=dashboard.command
        )
        with database.read() as connection:
            started_at = clock(connection)
        yield _Stack(settings, database, stack.enter_context(children), broker, prepared, started_at)


def _prepare_demo(stack: ExitStack, settings: Settings, environment: dict[str, str]) -> demo.Demo:
    simulator = stack.enter_context(demo.demo_simulator())
    click.echo(
        "No API key is set (MAGIC_HOUR_API_KEY), so this is a demo on a simulator: "
        f"no real project, no real credits, everything {demo.TIME_SCALE} times faster."
    )
    prepared = demo.Demo(simulator, settings.state_dir.absolute() / "demo-news.log")
    environment |= prepared.environment(settings)
    return prepared


def _children(
    environment: dict[str, str], logs: Path, level: str, concurrency: int, *, with_example: bool, web: Sequence[str]
) -> Children:
    celery = [sys.executable, "-m", "celery", "-A", "worker.app"]
    worker = [*celery, "worker", "--loglevel", level, "--concurrency", str(concurrency), "--without-gossip"]
    if with_example:
        worker += demo.WORKER_OPTIONS
    logs.mkdir(mode=0o700, exist_ok=True)
    full = os.environ | environment
    return Children(
        [
            Child("worker", worker, full, logs),
            Child("beat", [*celery, "beat", "--loglevel", level], full, logs),
            Child("web", web, full, logs),
        ],
        patience=_PATIENCE,
    )


def _show(stack: _Stack) -> None:
    """Show progress until the user has had enough."""
    out = console()
    if stack.demo:
        left = demo.forget_earlier_demo(stack.database)
        if left:
            click.echo(f"{left} projects of an earlier demo are not followed any more: their simulator is gone")
        _wait_for_dispatch(stack)
        made = demo.create_and_track(stack.demo.simulator, stack.database, stack.settings)
        click.echo(f"created and tracked {len(made)} projects")
    else:
        click.echo("hand over ids with: renderwatch track ID")
    if out.is_terminal:
        _show_live(stack, out)
    else:
        _print_changes(stack)


def _keep_running(stack: _Stack) -> list[str]:
    """Start again what has ended: the broker first, for the others need it. Returns lines to tell the user."""
    line = stack.broker.keep_running() if stack.broker else None
    return [*([line] if line else []), *stack.children.keep_running()]


def _wait_for_dispatch(stack: _Stack) -> None:
    """Wait until workers are there, so that the demo's projects are seen from their beginning."""
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        with stack.database.read() as connection:
            last = last_beat(connection, "dispatch")
            if last is not None and last >= stack.started_at:
                return
        time.sleep(_EVERY)


def _rows(stack: _Stack, wanted: queries.Filter) -> list[dict[str, Any]]:
    with stack.database.read() as connection:
        return list(reversed(queries.list_projects(connection, wanted, _SHOWN)))


def _show_live(stack: _Stack, out: Console) -> None:
    try:
        with Live(console=out, auto_refresh=False) as live:
            while True:
                for message in _keep_running(stack):
                    live.console.print(message, style="yellow", markup=False)
                height = out.height - (_NEWS_LINES + 3 if stack.demo else 2)
                parts: list[RenderableType] = [Text(""), progress(_rows(stack, queries.Filter()), height)]
                if stack.demo:
                    parts.append(Text("\nwhat the downstream example task received:", style="bold"))
                    parts += [Text(text) for text in demo.tail(stack.demo.news, _NEWS_LINES)]
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
            for row in _rows(stack, queries.Filter()):
                key, text = (row["kind"], row["project_id"]), line(row)
                if seen.get(key) != text:
                    seen[key] = text
                    click.echo(text)
            if stack.demo:
                news = demo.tail(stack.demo.news, _SHOWN)
                for text in news[told:]:
                    click.echo(f"downstream example task received: {text}")
                told = len(news)
            time.sleep(_EVERY)
    except KeyboardInterrupt:
        return
