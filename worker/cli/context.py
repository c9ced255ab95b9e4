"""What most commands need: the database, the project that was meant, the person who asks."""

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import click

from worker.domain.status import KINDS, Kind
from worker.settings import get_settings
from worker.store import operations
from worker.store.engine import Database
from worker.store.schema import is_current

_F = TypeVar("_F", bound=Callable[..., object])


@contextmanager
def open_database() -> Iterator[Database]:
    """Give the database of the settings. Raises ClickException when it lacks our tables."""
    database = Database(get_settings().database)
    try:
        with database.read() as connection:
            current = is_current(connection)
        if not current:
            raise click.ClickException("the database does not have the present tables; run: renderwatch migrate")
        yield database
    finally:
        database.close()


def as_kind(value: str | None) -> Kind | None:
    """Return a kind that click has checked already."""
    return next((kind for kind in KINDS if kind == value), None)


def kind_option(command: _F) -> _F:
    """Add ``--kind``, for the rare id that is known under several."""
    option = click.option(
        "--kind", type=click.Choice(KINDS), help="Only needed when an id is known under several kinds."
    )
    return option(command)


def json_option(command: _F) -> _F:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(command)


def the_kind(database: Database, kind: str | None, project_id: str) -> Kind:
    """Return the kind under which an id is known. Raises ClickException when there is none, or more than one."""
    with database.read() as connection:
        kinds = operations.kinds_of(connection, project_id)
    if kind is not None:
        kinds = [found for found in kinds if found == kind]
    if len(kinds) > 1:
        raise click.ClickException(f"{project_id} is known as {' and '.join(kinds)}; add --kind")
    found = as_kind(kinds[0]) if kinds else None
    if found is None:
        raise click.ClickException(f"{project_id} is not tracked; run: renderwatch track {project_id}")
    return found


def actor() -> str:
    """Return the name of whoever runs the command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
