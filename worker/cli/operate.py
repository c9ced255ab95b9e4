"""``renderwatch untrack`` and ``renderwatch recheck``."""

from collections.abc import Callable, Sequence

import click

from worker.cli.context import actor, as_kind, json_option, kind_option, open_database
from worker.cli.output import print_json
from worker.domain.status import Kind
from worker.store import delivery_lists, operations
from worker.store.engine import Database


@click.command(short_help="Stop following projects.")
@click.argument("project_ids", nargs=-1, required=True)
@kind_option
@click.option("--reason", help="Why; kept with your name.")
@json_option
def untrack(project_ids: Sequence[str], kind: str | None, reason: str | None, *, as_json: bool) -> None:
    """Stop following projects. What was recorded stays; tracking them again goes on from there."""

    def act(database: Database, kind: Kind | None) -> list[str]:
        with database.write() as connection:
            return operations.untrack(connection, kind, project_ids, actor(), reason)

    _act("untracked", "is not tracked, or closed already", act, project_ids, kind, as_json=as_json)


@click.command(short_help="Check projects now.")
@click.argument("project_ids", nargs=-1, required=True)
@kind_option
@click.option("--reason", help="Why; kept with your name.")
@json_option
def recheck(project_ids: Sequence[str], kind: str | None, reason: str | None, *, as_json: bool) -> None:
    """Make projects due now, closed ones too: workers check them with the next dispatch."""

    def act(database: Database, kind: Kind | None) -> list[str]:
        with database.write() as connection:
            return operations.recheck(connection, kind, project_ids, actor(), reason)

    _act("due now", "is not tracked", act, project_ids, kind, as_json=as_json)


@click.command(short_help="Send deliveries again.")
@click.argument("numbers", nargs=-1, type=click.IntRange(1, 2**63 - 1))
@click.option("--dead", is_flag=True, help="All dead ones, at most 10,000 at once.")
@click.option("--destination", help="With --dead: only those for it.")
@click.option("--reason", help="Why; kept with your name.")
def replay(numbers: Sequence[int], destination: str | None, reason: str | None, *, dead: bool) -> None:
    """Send deliveries again as if they were new, by their numbers or all dead ones. Their event ids stay the same."""
    if bool(numbers) == dead or (destination and not dead):
        raise click.UsageError("name deliveries by their numbers, or say --dead, perhaps with --destination")
    with open_database() as database, database.write() as connection:
        ids = None if dead else numbers
        replayed = delivery_lists.replay(connection, ids, actor(), reason, destination=destination)
    click.echo(f"{len(replayed)} deliveries are sent again with the next sweep")
    if not dead and len(replayed) < len(set(numbers)):
        raise click.ClickException("there is no delivery " + ", ".join(map(str, sorted(set(numbers) - set(replayed)))))


def _act(
    done: str,
    otherwise: str,
    act: Callable[[Database, Kind | None], list[str]],
    project_ids: Sequence[str],
    kind: str | None,
    *,
    as_json: bool,
) -> None:
    with open_database() as database:
        acted = act(database, as_kind(kind))
    others = [project_id for project_id in dict.fromkeys(project_ids) if project_id not in acted]
    if as_json:
        print_json({done.replace(" ", "_"): acted, "others": others})
    else:
        for project_id in acted:
            click.echo(f"{project_id}: {done}")
        for project_id in others:
            click.echo(f"{project_id}: {otherwise}", err=True)
    if others:
        raise click.exceptions.Exit(1)
