"""``renderwatch credits report``: what was spent, and which refunds are outstanding."""

import csv
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

import click

from worker.cli.context import json_option, open_database
from worker.cli.output import console, print_json, table
from worker.formatting import harmless
from worker.store.engine import clock
from worker.store.ledger import daily_totals
from worker.store.ledger.balance_forecast import forecast_balances

_SUMS: Final = ("entries", "charged_credits", "corrected_credits", "refunded_credits", "net_credits")
_DAY: Final = click.DateTime(["%Y-%m-%d"])

Row = Mapping[str, Any]


@click.command(short_help="Report what was spent, by day, account, kind, type or a metadata key.")
@click.option(
    "--by", "by", multiple=True, type=click.Choice(daily_totals.DIMENSIONS), help="Group by this; may be repeated."
)
@click.option("--metadata", "key", help="Group by the value of this metadata key, for example a customer's id.")
@click.option("--since", type=_DAY, help="First day, UTC.")
@click.option("--until", type=_DAY, help="Day after the last one, UTC.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, for spreadsheets.")
@json_option
def report(
    by: Sequence[str],
    key: str | None,
    since: datetime | None,
    until: datetime | None,
    *,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Report credits charged, corrected and refunded, and the net amount, by day unless you choose otherwise.

    An entry counts on the day on which it was observed: a late refund shows on its own day, and past days
    never change. Outstanding refunds are the credits of all failed and canceled projects not refunded so far.
    """
    if as_csv and as_json:
        raise click.UsageError("use either --csv or --json, not both")
    if since and until and until <= since:
        raise click.UsageError("--until must be later than --since")
    if not by:
        by = () if key is not None else ("day",)
    days = tuple(each.date() if each else None for each in (since, until))
    rows, total, refunds, balances = _read(by, key, *days)
    named = [{**row, key: row.pop("value")} if key is not None else row for row in rows]
    if as_json:
        print_json({"rows": named, "total": total, "refunds_outstanding": refunds, "balances": balances})
    elif as_csv:
        _print_csv([key, *by] if key is not None else list(by), named)
    else:
        _print_table([key, *by] if key is not None else list(by), named, total, refunds, keyed=key is not None)
        _print_balances(balances)


def _read(
    by: Sequence[str], key: str | None, since: date | None, until: date | None
) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, int], list[dict[str, Any]]]:
    with open_database() as database, database.read() as connection:
        rows = daily_totals.spend(connection, by, since, until, key)
        (total,) = daily_totals.spend(connection, (), since, until)
        balances = forecast_balances(connection, clock(connection))
        return rows, total, daily_totals.refunds_outstanding(connection), balances


def _print_balances(balances: Sequence[Row]) -> None:
    for row in balances:
        end = f"used up on {row['runs_out_at']:%Y-%m-%d}" if row["runs_out_at"] else "not used up soon"
        click.echo(
            f"balance of account {row['account']}: {row['credits']} credits; at the pace of the last 7 days"
            f" ({row['spent']} credits) {end}",
            err=True,
        )


def _print_csv(names: Sequence[str], rows: Sequence[Row]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([*names, *_SUMS])
    for row in rows:
        writer.writerow([*(harmless(row[name]) for name in names), *(row[name] for name in _SUMS)])


def _print_table(
    names: Sequence[str], rows: Sequence[Row], total: Row, refunds: Mapping[str, int], *, keyed: bool
) -> None:
    lines = [[*(row[name] for name in names), *(row[name] for name in _SUMS)] for row in rows]
    if keyed:
        rest = [total[name] - sum(row[name] for row in rows) for name in _SUMS]
        lines.append(["(without it)", *[None] * (len(names) - 1), *rest])
    lines.append(["total", *[None] * (len(names) - 1), *(total[name] for name in _SUMS)])
    console().print(table([*names, "entries", "charged", "corrected", "refunded", "net"], lines))
    click.echo(
        f"refunds outstanding: {refunds['credits']} credits of {refunds['projects']} failed or canceled projects",
        err=True,
    )
