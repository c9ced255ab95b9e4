"""``renderwatch metadata``: spend, failures and open work by customer, order, or another key that callers send."""

import csv
import sys
from datetime import timedelta

import click

from worker.cli.context import json_option, open_database
from worker.cli.output import console, print_json, table
from worker.formatting import harmless
from worker.store.engine import clock
from worker.store.ledger import reports
from worker.store.ledger.metadata_report import MetadataReport, ValueReport, report_values

_COLUMNS = ValueReport._fields[1:]
_OTHER = "(nested, or longer than 200 characters)"


@click.command(short_help="Report spend, failures and open projects by a metadata key, such as customer.")
@click.argument("key", required=False)
@click.option(
    "--days", default=30.0, show_default=True, type=click.FloatRange(0.01, 3650), help="How far to look back."
)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 50_000), help="How many values.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, for spreadsheets.")
@json_option
def metadata(key: str | None, days: float, limit: int, *, as_csv: bool, as_json: bool) -> None:
    """Report by the values of a metadata key: credits spent and refunded, failed projects, and projects open now.

    Values with the highest spend come first. Without KEY, list the keys of the latest projects. Projects of a value:
    renderwatch list --metadata KEY:VALUE. Sums by day and account: renderwatch credits report --metadata KEY.
    """
    if as_csv and as_json:
        raise click.UsageError("use either --csv or --json, not both")
    if key is None:
        _print_keys(as_json=as_json)
        return
    with open_database() as database, database.read() as connection:
        report = report_values(connection, key.replace("\x00", ""), clock(connection) - timedelta(days=days), limit)
    if as_json:
        print_json([row._asdict() for row in report.rows])
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow([harmless(key), *_COLUMNS])
        writer.writerows([harmless(row.value), *row[1:]] for row in report.rows)
    else:
        _print_table(key, report)
    _print_notes(report, limit)


def _print_keys(*, as_json: bool) -> None:
    with open_database() as database, database.read() as connection:
        keys = reports.metadata_keys(connection)
    if as_json:
        print_json(keys)
    elif keys:
        console().print(table(("key",), [(key,) for key in keys]))
    else:
        click.echo("the latest projects have no metadata; send some with renderwatch track ID --metadata", err=True)


def _print_table(key: str, report: MetadataReport) -> None:
    rows = [(_OTHER if row.value is None else row.value, *row[1:]) for row in report.rows]
    console().print(table((key, *_COLUMNS), rows))


def _print_notes(report: MetadataReport, limit: int) -> None:
    if report.has_more:
        click.echo(f"the {limit} values with the highest spend; --limit shows more", err=True)
    if not report.complete:
        click.echo("older projects are not counted yet; run: renderwatch migrate", err=True)
