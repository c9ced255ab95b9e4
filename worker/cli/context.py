"""What most commands need: the database, the project that is meant, and the user's name."""

import getpass
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import click

from worker.domain.projects.status import KINDS, Kind
from worker.settings import get_settings
from worker.store.engine import Database
from worker.store.projects import operator_actions
from worker.store.schema import check

_F = TypeVar("_F", bound=Callable[..., object])


@contextmanager
def open_database() -> Iterator[Database]:
    """Open the database of the settings. Raises SchemaError if its schema is not one that this version can use."""
    database = Database(get_settings().database)
    try:
        with database.read() as connection:
            check(connection)
        yield database
    finally:
        database.close()


def as_kind(value: str | None) -> Kind | None:
    """Return a kind that click has validated."""
    return next((kind for kind in KINDS if kind == value), None)


def kind_option(command: _F) -> _F:
    """Add ``--kind``, for the rare id that is tracked under several kinds."""
    option = click.option(
        "--kind", type=click.Choice(KINDS), help="Needed only if the id is tracked under several kinds."
    )
    return option(command)


def json_option(command: _F) -> _F:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(command)


def the_kind(database: Database, kind: str | None, project_id: str) -> Kind:
    """Return the kind under which an id is tracked. Raises ClickException if there is none or more than one."""
    with database.read() as connection:
        kinds = operator_actions.kinds_of(connection, project_id)
    if kind is not None:
        kinds = [found for found in kinds if found == kind]
    if len(kinds) > 1:
        raise click.ClickException(_ambiguous(project_id, kinds))
    found = as_kind(kinds[0]) if kinds else None
    if found is None:
        raise click.ClickException(f"{project_id} is not tracked; run: renderwatch track {project_id}")
    return found


def refuse_ambiguous(database: Database, kind: str | None, project_ids: Sequence[str]) -> None:
    """Raise ClickException if an id is tracked under several kinds and no kind was given."""
    with database.read() as connection:
        twice = {} if kind else operator_actions.tracked_twice(connection, project_ids)
    for project_id in project_ids:
        if kinds := twice.get(project_id):
            raise click.ClickException(_ambiguous(project_id, kinds))


def _ambiguous(project_id: str, kinds: Sequence[str]) -> str:
    return f"{project_id} is tracked as {' and '.join(kinds)}; add --kind"


def actor() -> str:
    """Return the name of the user who runs the command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
