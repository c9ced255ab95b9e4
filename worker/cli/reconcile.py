"""``renderwatch reconcile``: whether Magic Hour agrees with our books."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta

import click

from worker.cli.context import json_option, open_database
from worker.cli.output import console, print_json, signed, table
from worker.settings import get_settings
from worker.store.balances import Window, read_windows
from worker.store.engine import clock
from worker.tracking.check import Clients
from worker.tracking.reconcile import Finding, check_sample, sample_balances


@click.command(short_help="Compare the ledger with the accounts' balances and with a fresh sample.")
@click.option("--sample", default=20, show_default=True, type=click.IntRange(0, 1000), help="Settled projects to ask.")
@click.option("--days", default=30.0, show_default=True, type=click.FloatRange(0.01, 3660), help="Look back so far.")
@json_option
def reconcile(sample: int, days: float, *, as_json: bool) -> None:
    """Compare the ledger with what Magic Hour says. Exit code 1: something differs.

    Each account's balance is asked for and noted. Between two such samples the balance should fall by what the ledger
    says was spent: more came in means a top-up, or a refund that was not seen; more went out means spending that is
    not tracked. Then some settled projects, chosen at random, are asked about once more. Requests count against the
    accounts' limits. Nothing is corrected: `renderwatch recheck ID` books what differs.
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
    if any(not window.agrees for window in windows) or any(each.verdict == "differs" for each in findings):
        raise click.exceptions.Exit(1)


def _document(windows: Sequence[Window], findings: Sequence[Finding], troubles: Sequence[str]) -> dict[str, object]:
    balances = [asdict(each) | {"difference": each.difference, "agrees": each.agrees} for each in windows]
    return {"balances": balances, "sample": [asdict(each) for each in findings], "troubles": troubles}


def _print(windows: Sequence[Window], findings: Sequence[Finding], troubles: Sequence[str]) -> None:
    for trouble in troubles:
        click.echo(trouble, err=True)
    wrong = [window for window in windows if not window.agrees]
    click.echo(f"balances: {len(windows) - len(wrong)} of {len(windows)} intervals between samples agree")
    if wrong:
        console().print(table(("account", "from (UTC)", "until (UTC)", "difference", "it means"), map(_line, wrong)))
    differing = [each for each in findings if each.verdict == "differs"]
    for verdict in ("agrees", "differs", "gone", "unknown"):
        count = sum(each.verdict == verdict for each in findings)
        if count:
            click.echo(f"sample: {count} {verdict}")
    for each in differing:
        click.echo(
            f"{each.kind} {each.project_id}: {each.stored_status}, {each.stored_credits} credits in the books;"
            f" {each.status}, {each.credits_charged} at Magic Hour; renderwatch recheck {each.project_id} books it"
        )


def _line(window: Window) -> Sequence[object]:
    means = (
        "a top-up, or a refund that was not seen"
        if window.difference > 0
        else "spending that is not tracked, or a charge that was not seen"
    )
    return (window.account, window.since, window.until, signed(window.difference), means)
