"""``renderwatch doctor``: checks everything, and says how to fix what is wrong."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Final, Literal

import click
from rich.text import Text

from worker.cli.context import json_option
from worker.cli.output import console, duration, print_json
from worker.magic_hour.client import MagicHourClient
from worker.settings import Settings, get_settings
from worker.store import invariants, queries, schema
from worker.store.engine import Database, StoreUnavailableError, clock
from worker.store.heartbeat import last_beat

_OVERDUE: Final = 120.0
_SILENT: Final = 30.0
_MARKS: Final = {"ok": ("ok  ", "green"), "warning": ("warn", "yellow"), "failed": ("FAIL", "red bold")}


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check, and what to do about it if it is not ok."""

    check: str
    result: Literal["ok", "warning", "failed"]
    detail: str
    fix: str = ""


@click.command(short_help="Check everything, and say how to fix it.")
@click.option("--only", "areas", multiple=True, type=click.Choice(["database", "broker", "api"]), help="Check less.")
@json_option
def doctor(areas: Sequence[str], *, as_json: bool) -> None:
    """Check settings, database, broker, workers, beat, API keys and what is stored. Exit code 1: something failed."""
    findings = list(_examine(get_settings(), areas or ("database", "broker", "api")))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            mark, style = _MARKS[finding.result]
            console().print(Text.assemble((mark, style), f"  {finding.check}: {finding.detail}"))
            if finding.fix:
                console().print(Text(f"      fix: {finding.fix}"))
    if any(finding.result == "failed" for finding in findings):
        raise click.exceptions.Exit(1)


def _examine(settings: Settings, areas: Sequence[str]) -> Iterator[Finding]:
    yield Finding("settings", "ok", "readable, and every key is known")
    if "database" in areas:
        yield from _database(settings)
    if "broker" in areas:
        yield from _broker()
    if "api" in areas:
        yield from _api(settings)


def _database(settings: Settings) -> Iterator[Finding]:
    database = Database(settings.database)
    checks: tuple[Callable[[Database], Iterator[Finding]], ...] = (_schema, _beat, _stored, _truth)
    try:
        for check in checks:
            yield from check(database)
    except StoreUnavailableError as error:
        yield Finding("database", "failed", str(error), "start the database, or correct DATABASE_URL")
    except _NoTablesError:
        yield Finding("schema", "failed", "the database does not have the present tables", "renderwatch migrate")
    finally:
        database.close()


class _NoTablesError(Exception):
    """Nothing further can be checked."""


def _schema(database: Database) -> Iterator[Finding]:
    with database.read() as connection:
        name, current = connection.dialect.name, schema.is_current(connection)
    yield Finding("database", "ok", f"{name} answers")
    if not current:
        raise _NoTablesError
    yield Finding("schema", "ok", f"at revision {schema.newest()}")


def _beat(database: Database) -> Iterator[Finding]:
    with database.read() as connection:
        last, now = last_beat(connection, "dispatch"), clock(connection)
    start = "celery -A worker.app beat, and celery -A worker.app worker; or renderwatch up for both"
    if last is None:
        yield Finding("dispatch", "failed", "has never run in this database", start)
    elif (silence := (now - last).total_seconds()) > _SILENT:
        yield Finding("dispatch", "failed", f"last ran {duration(silence)} ago", start)
    else:
        yield Finding("dispatch", "ok", "ran a moment ago")


def _stored(database: Database) -> Iterator[Finding]:
    with database.read() as connection:
        now = clock(connection)
        found = queries.backlog(connection, now, now - timedelta(seconds=_OVERDUE))
    if found.overdue:
        detail = f"{found.overdue} of {found.open_projects} open projects have been due for over {duration(_OVERDUE)}"
        yield Finding(
            "backlog", "warning", detail, "start more workers, or raise RENDERWATCH_RATE and RENDERWATCH_BURST"
        )
    else:
        yield Finding("backlog", "ok", f"{found.open_projects} open projects, none overdue")
    for account, reason in found.paused_accounts.items():
        fix = "correct the account's API key" if reason == "unauthorized" else "it resumes by itself when the API does"
        yield Finding(f"account {account}", "warning", f"paused: {reason}", fix)
    if found.dead_deliveries:
        detail = f"{found.dead_deliveries} were given up"
        yield Finding(
            "deliveries", "warning", detail, "see deliveries.last_error; set state to pending to send them again"
        )
    if found.rejected_requests:
        detail = f"{found.rejected_requests} tracking requests were rejected"
        yield Finding("intake", "warning", detail, "see the reasons in rejected_requests, and correct who sends them")


def _truth(database: Database) -> Iterator[Finding]:
    with database.read() as connection:
        wrong = {name: count for name, count in invariants.violations(connection).items() if count}
    if not wrong:
        yield Finding("invariants", "ok", "ledger, history and schedule agree")
    for name, count in wrong.items():
        yield Finding(
            "invariants", "failed", f"{count} {name}", "please report this, with the output of renderwatch show"
        )


def _broker() -> Iterator[Finding]:
    from worker.app import broker_problem, workers_alive  # noqa: PLC0415  importing Celery takes half a second

    problem = broker_problem()
    if problem:
        yield Finding("broker", "failed", problem, "start the broker, or correct CELERY_BROKER_URL")
        return
    yield Finding("broker", "ok", "answers")
    count = workers_alive()
    if count:
        yield Finding("workers", "ok", f"{count} answer")
    else:
        yield Finding("workers", "failed", "none answers", "celery -A worker.app worker; or renderwatch up")


def _api(settings: Settings) -> Iterator[Finding]:
    if not settings.accounts:
        fix = "set MAGIC_HOUR_API_KEY; renderwatch up without it uses a simulator"
        yield Finding("API key", "failed", "no account has one", fix)
    for account, key in settings.accounts.items():
        with MagicHourClient(
            settings.magic_hour_base_url, key.get_secret_value(), timeout=settings.request_timeout, connections=1
        ) as client:
            trouble = client.account_problem()
        if trouble is None:
            yield Finding(f"API, account {account}", "ok", f"{settings.magic_hour_base_url} accepts the key")
        else:
            fix = "correct the key in the settings, or MAGIC_HOUR_BASE_URL, or the way to the network"
            yield Finding(f"API, account {account}", "failed", trouble.detail, fix)
