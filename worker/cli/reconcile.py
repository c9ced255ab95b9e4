"""``renderwatch reconcile``: compare the ledger with Magic Hour."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta

import click

from worker.cli.context import json_option, open_database
from worker.cli.output import console, print_json, signed, table
from worker.settings import get_settings
from worker.store.engine import clock
from worker.store.ledger.balances import Window, read_windows
from worker.tracking.clients import Clients
from worker.tracking.reconcile import Finding, check_sample, sample_balances


@click.command(short_help="Compare the ledger with the accounts' balances and with a new sample of projects.")
@click.option(
    "--sample",
    default=20,
    show_default=True,
    type=click.IntRange(0, 1000),
    help="Number of settled projects to check again.",
)
@click.option(
    "--days", default=30.0, show_default=True, type=click.FloatRange(0.01, 3660), help="How far to look back."
)
@json_option
def reconcile(sample: int, days: float, *, as_json: bool) -> None:
    """Compare the ledger with Magic Hour. Exit code 1: spending beyond the margin, or a sample that differs.

    Each account's balance is requested and recorded. Between two samples it should fall by the amount that the ledger
    recorded. A higher balance means a top-up or an unseen refund, which is listed but no failure; a lower one means
    untracked spending.
    Then a random sample of settled projects is checked again. Requests count against the accounts' rate limits.
    Nothing is corrected: `renderwatch recheck ID` records a difference. Projects that could not be compared are
    listed, and do not count as a failure.
    """
    settings = get_settings()
    clients = Clients(settings)
    try:
        with open_database() as database:
            troubles = sample_balances(database, settings, clients)
            findings = check_sample(database, settings, clients, sample)
            with database.read() as connection:
                windows = read_windows(connection, clock(connection) - timedelta(days=days))
    finally:
        clients.close()
    if as_json:
        print_json(_document(windows, findings, troubles))
    else:
        _print(windows, findings, troubles)
    if any(window.is_short for window in windows) or any(each.verdict == "differs" for each in findings):
        raise click.exceptions.Exit(1)


def _document(windows: Sequence[Window], findings: Sequence[Finding], troubles: Sequence[str]) -> dict[str, object]:
    balances = [asdict(each) | {"difference": each.difference, "agrees": each.agrees} for each in windows]
    return {"balances": balances, "sample": [asdict(each) for each in findings], "troubles": troubles}


def _print(windows: Sequence[Window], findings: Sequence[Finding], troubles: Sequence[str]) -> None:
    for trouble in troubles:
        click.echo(trouble, err=True)
    wrong = [window for window in windows if not window.agrees]
    click.echo(f"balances: {len(windows) - len(wrong)} of {len(windows)} intervals between samples agree")
    if windows:
        click.echo(f"margin: up to {max(window.margin for window in windows)} credits, from entries observed late")
    if wrong:
        headers = ("account", "from (UTC)", "until (UTC)", "difference", "margin", "meaning")
        console().print(table(headers, map(_line, wrong)))
    differing = [each for each in findings if each.verdict == "differs"]
    for verdict in ("agrees", "differs", "gone", "unknown"):
        count = sum(each.verdict == verdict for each in findings)
        if count:
            click.echo(f"sample: {count} {verdict}")
    for each in findings:
        if each.verdict == "unknown":
            click.echo(f"not compared: {each.kind} {each.project_id}: {each.detail}")
    for each in differing:
        click.echo(
            f"{each.kind} {each.project_id}: {each.stored_status}, {each.stored_credits} credits in the ledger;"
            f" {each.status}, {each.credits_charged} at Magic Hour; renderwatch recheck {each.project_id} records it"
        )


def _line(window: Window) -> Sequence[object]:
    means = "a top-up, or an unseen refund" if window.difference > 0 else "untracked spending, or an unseen charge"
    return (window.account, window.since, window.until, signed(window.difference), window.margin, means)
