"""``renderwatch export``: projects, transitions or the ledger, as a file for other programs."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

import click

from worker.cli import formats
from worker.cli.as_of import parse_time
from worker.cli.context import open_database
from worker.store.export import EXPORTS, Row, columns, stream

Writer = Callable[[IO[bytes], dict[str, type], Iterator[Sequence[Row]]], int]
_WRITERS: Final[dict[str, Writer]] = {
    "csv": formats.write_csv,
    "jsonl": formats.write_jsonl,
    "parquet": formats.write_parquet,
}


@click.command(short_help="Export projects, transitions or the ledger as CSV, JSON lines or Parquet.")
@click.argument("what", type=click.Choice(list(EXPORTS)))
@click.option("--since", help="Only what was observed at or after this time (ISO 8601; UTC without a zone).")
@click.option("--format", "format_", type=click.Choice(list(_WRITERS)), default="csv", show_default=True)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file; standard output without it.")
def export(what: str, since: str | None, format_: str, output: Path | None) -> None:
    """Export projects, transitions or the ledger: the columns of the views projects, transitions and credit_ledger.

    It streams: memory stays the same for any number of rows, and all rows are of one moment. A file appears when it is
    complete. In CSV a text that a spreadsheet would take for a formula gets a ' in front. Parquet needs pyarrow:
    pip install "renderwatch[parquet]".
    """
    at: datetime | None = None if since is None else parse_time(since)
    if format_ == "parquet" and output is None:
        raise click.UsageError("--format parquet needs --output FILE")
    with _target(output) as file, open_database() as database, database.read() as connection:
        try:
            rows = _WRITERS[format_](file, columns(what), stream(connection, what, at))
        except formats.NoParquetError as error:
            raise click.ClickException(str(error)) from None
    click.echo(f"{rows} rows", err=True)


@contextmanager
def _target(output: Path | None) -> Iterator[Any]:
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    part = output.with_name(output.name + ".part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(output)
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
