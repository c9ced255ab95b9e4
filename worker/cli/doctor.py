"""``renderwatch doctor``: checks everything, and says how to fix what is wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

import click
from rich.text import Text

from worker.cli.context import json_option
from worker.cli.doctor_destinations import examine_destinations
from worker.cli.output import console, print_json
from worker.domain.deliveries.shown_destination import shown_destination
from worker.domain.monitoring.broker_remedy import broker_remedy
from worker.domain.monitoring.facts import is_alive
from worker.domain.monitoring.finding import counted_waiting
from worker.domain.projects.observation import FailureKind
from worker.formatting import counted, duration
from worker.magic_hour.client import WRONG_BASE_URL, MagicHourClient
from worker.settings import Settings, get_settings
from worker.settings.urls import sends_key_unencrypted
from worker.store import schema
from worker.store.engine import Database, DatabaseError, StoreUnavailableError, clock
from worker.store.monitoring import invariants
from worker.store.monitoring.health import read_health
from worker.store.monitoring.webhook_counts import last_webhooks

_MARKS: Final = {"ok": ("ok  ", "green"), "warning": ("warn", "yellow"), "failed": ("FAIL", "red bold")}


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check, and how to fix it if it is not ok."""

    check: str
    result: Literal["ok", "warning", "failed"]
    detail: str
    fix: str = ""


@click.command(short_help="Check everything, and say how to fix what is wrong.")
@click.option(
    "--only",
    "areas",
    multiple=True,
    type=click.Choice(["settings", "problems", "database", "broker", "api"]),
    help="Check only this.",
)
@click.option("--deep", is_flag=True, help="Also count the violations of each invariant: reads every row.")
@json_option
def doctor(areas: Sequence[str], *, deep: bool, as_json: bool) -> None:
    """Check settings, database, broker, workers, beat, API keys and stored data. Exit code 1: something failed."""
    findings = list(_examine(get_settings(), areas or ("database", "broker", "api"), deep=deep))
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


def _examine(settings: Settings, areas: Sequence[str], *, deep: bool) -> Iterator[Finding]:
    yield _settings(settings)
    if "database" in areas:
        yield from _database(settings, deep=deep)
    elif "problems" in areas:
        yield from _database(settings, deep=False, schema_too=False)
    if "broker" in areas:
        yield from _broker(settings)
    if "api" in areas:
        yield from _api(settings)


def _settings(settings: Settings) -> Finding:
    if sends_key_unencrypted(settings.magic_hour_base_url):
        detail = f"the API keys are sent unencrypted to {settings.magic_hour_base_url}"
        return Finding("settings", "warning", detail, "write https:// in MAGIC_HOUR_BASE_URL")
    return Finding("settings", "ok", "valid")


def _database(settings: Settings, *, deep: bool, schema_too: bool = True) -> Iterator[Finding]:
    database = Database(settings.database)
    try:
        if schema_too:
            yield from _schema(database)
        yield from _work(database, settings)
        yield from _webhooks(database, settings)
        if deep:
            yield from _truth(database)
    except StoreUnavailableError as error:
        yield Finding("database", "failed", str(error), "start the database, or correct DATABASE_URL")
    except schema.SchemaError as error:
        yield Finding("schema", "failed", *_without_fix(str(error)))
    except DatabaseError as error:
        yield Finding("database", "failed", str(error), "correct DATABASE_URL, or the database")
    finally:
        database.close()


def _without_fix(said: str) -> tuple[str, str]:
    detail, _, fix = said.partition("; ")
    return detail, fix.removeprefix("run: ")


def _schema(database: Database) -> Iterator[Finding]:
    with database.read() as connection:
        name, found = connection.dialect.name, schema.revision(connection)
        missing = schema.missing_right(connection) if found is None else None
    yield Finding("database", "ok", f"{name} responds")
    if missing:
        raise schema.SchemaError(f"the user of DATABASE_URL may not create tables there; {missing}")
    with database.read() as connection:
        schema.check(connection)
    yield Finding("schema", "ok", f"at revision {found}")


def _work(database: Database, settings: Settings) -> Iterator[Finding]:
    with database.read() as connection:
        health = read_health(connection, keys=settings.accounts, target_delay=settings.target_detection_delay)
    facts = health.facts
    if facts.last_dispatch and is_alive(facts.last_dispatch, facts.now):
        yield Finding("dispatch", "ok", "ran recently")
    if not health.findings:
        yield Finding("health", "ok", f"{counted(facts.active + facts.settling, 'open project')}, none overdue")
    for paused in facts.paused_destinations:
        reason = f": {paused.reason}" if paused.reason else ""
        detail = (
            f"paused by {paused.by or 'somebody'}{reason};"
            f" {counted_waiting(paused.waiting, 'delivery', 'deliveries')} until renderwatch destinations resume"
        )
        yield Finding(f"destination {shown_destination(paused.name)}", "ok", detail)
    for found in health.findings:
        since = f", since {found.since:%Y-%m-%d %H:%M:%S} UTC" if found.since else ""
        result: Literal["warning", "failed"] = "failed" if found.severity == "critical" else "warning"
        yield Finding(found.code, result, f"{found.summary}{since} ({found.cost})", found.fix)


def _webhooks(database: Database, settings: Settings) -> Iterator[Finding]:
    """Yield when the last webhook of each account came that has a secret here, or ever had one."""
    with database.read() as connection:
        last = last_webhooks(connection)
        now = clock(connection)
    for account in sorted(settings.magic_hour_webhook_secrets.keys() | last.keys()):
        came = f"{duration((now - last[account]).total_seconds())} ago" if account in last else "never"
        yield Finding(f"webhooks, account {account}", "ok", f"last webhook: {came}")
    if not settings.magic_hour_webhook_secrets and not last:
        yield Finding("webhooks", "ok", "none from Magic Hour are configured here; polling alone finds every change")


def _truth(database: Database) -> Iterator[Finding]:
    with database.read() as connection:
        wrong = {name: count for name, count in invariants.violations(connection).items() if count}
    if not wrong:
        yield Finding("invariants", "ok", "ledger, history and schedule agree")
    for name, count in wrong.items():
        yield Finding(
            "invariants", "failed", f"{count} {name}", "please report this, with the output of renderwatch show"
        )


def _broker(settings: Settings) -> Iterator[Finding]:
    from worker.app import broker_problem  # noqa: PLC0415  importing Celery takes half a second

    problem = broker_problem()
    if problem:
        yield Finding("broker", "failed", problem, "start the broker, or correct CELERY_BROKER_URL")
        return
    yield Finding("broker", "ok", "responds")
    yield from _workers()
    yield from (Finding(*said) for said in examine_destinations(settings))


def _workers() -> Iterator[Finding]:
    from worker.app import BrokerRefusedError, find_workers  # noqa: PLC0415  as above

    try:
        workers = find_workers()
    except BrokerRefusedError as error:
        yield Finding("broker", "failed", f"refuses messages: {error}", broker_remedy(str(error)))
        return
    for queue, name in sorted(workers.taken.items()):
        said = f"{name}, a worker of another application, reads it and drops our messages"
        yield Finding(f"queue {queue}", "failed", said, "stop that worker, or let it read its own queues only (-Q)")
    others = f"; {counted(workers.foreign, 'worker')} of other applications" if workers.foreign else ""
    if not workers.ours:
        yield Finding(
            "workers", "failed", f"no Renderwatch worker responds{others}", "renderwatch worker; or renderwatch up"
        )
        return
    yield Finding("workers", "ok", f"{counted(workers.ours, 'Renderwatch worker')}{others}")
    for queue in sorted(workers.unread):
        yield Finding(f"queue {queue}", "failed", "no worker consumes it", f"renderwatch worker -Q {queue}")


def _api(settings: Settings) -> Iterator[Finding]:
    if not settings.accounts:
        fix = "set MAGIC_HOUR_API_KEY; renderwatch up without it uses a simulator"
        yield Finding("API key", "failed", "no account has one", fix)
    for account, key in settings.accounts.items():
        with MagicHourClient(
            settings.magic_hour_base_url,
            key.get_secret_value(),
            timeout=settings.request_timeout,
            connections=1,
            transport=settings.transport,
        ) as client:
            problem = client.account_problem()
        if problem is None:
            yield Finding(f"API, account {account}", "ok", f"{settings.magic_hour_base_url} accepts the key")
        else:
            fix = "correct the key in the settings, or MAGIC_HOUR_BASE_URL, or the network connection"
            if problem.kind in {FailureKind.NOT_FOUND, FailureKind.BAD_ANSWER} or WRONG_BASE_URL in problem.detail:
                fix = f"there is no Magic Hour API at {settings.magic_hour_base_url}; correct MAGIC_HOUR_BASE_URL"
            yield Finding(f"API, account {account}", "failed", problem.sentence, fix)
