"""``renderwatch export``: projects, transitions or the ledger, as a file for other programs."""

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

import click

from worker.cli import formats
from worker.cli.as_of import parse_time
from worker.cli.context import open_database
from worker.store.readers.export import EXPORTS, Row, columns, stream

_WRITABLE: Final = 0o222
Writer = Callable[[IO[bytes], dict[str, type], Iterator[Sequence[Row]]], int]
_WRITERS: Final[dict[str, Writer]] = {
    "csv": formats.write_csv,
    "jsonl": formats.write_jsonl,
    "parquet": formats.write_parquet,
}


@click.command(short_help="Export projects, transitions or the ledger as CSV, JSON lines or Parquet.")
@click.argument("what", type=click.Choice(list(EXPORTS)))
@click.option("--since", help="Only rows observed at or after this time (ISO 8601; UTC if it has no time zone).")
@click.option("--format", "format_", type=click.Choice(list(_WRITERS)), default="csv", show_default=True)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write (default: -, standard output).",
)
def export(what: str, since: str | None, format_: str, output: Path | None) -> None:
    """Export projects, transitions or the ledger: the columns of the views projects, transitions and credit_ledger.

    Rows are streamed from one snapshot, in constant memory. The file appears when it is complete. In CSV, text that a
    spreadsheet would read as a formula is prefixed with '. Parquet needs pyarrow: pip install "renderwatch[parquet]".
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
    if output is None or str(output) == "-":
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    try:
        with _open(output) as file:
            yield file
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror}") from None


@contextmanager
def _open(output: Path) -> Iterator[IO[bytes]]:
    """Open a regular file so that it appears when it is complete; write to devices, pipes and links directly."""
    if output.is_symlink() or (output.exists() and not output.is_file()):
        with output.open("wb") as file:
            yield file
        return
    if output.exists() and not (output.stat().st_mode & _WRITABLE and os.access(output, os.W_OK)):
        raise PermissionError(errno.EACCES, "it is read-only")  # a rename would replace it all the same
    with tempfile.NamedTemporaryFile("wb", dir=output.parent, prefix=f".{output.name}.", delete=False) as part:
        try:
            yield part
            part.flush()
            _like(output, Path(part.name))
            Path(part.name).replace(output)
        finally:
            Path(part.name).unlink(missing_ok=True)


def _like(target: Path, part: Path) -> None:
    """Give a new file the permissions of the file that it replaces, or the default ones."""
    if target.exists():
        shutil.copymode(target, part)
        return
    mask = os.umask(0)
    os.umask(mask)
    part.chmod(0o666 & ~mask)
