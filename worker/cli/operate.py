"""``renderwatch untrack`` and ``renderwatch recheck``."""

from collections.abc import Callable, Sequence

import click

from worker.cli.context import actor, as_kind, json_option, kind_option, open_database, refuse_ambiguous
from worker.cli.output import print_json
from worker.domain.projects.status import Kind
from worker.formatting import counted
from worker.store.deliveries import queries
from worker.store.deliveries.destination_names import meant
from worker.store.engine import Database
from worker.store.projects import operator_actions


@click.command(short_help="Stop tracking projects.")
@click.argument("project_ids", nargs=-1, required=True)
@kind_option
@click.option("--reason", help="The reason, recorded with your name.")
@json_option
def untrack(project_ids: Sequence[str], kind: str | None, reason: str | None, *, as_json: bool) -> None:
    """Stop tracking projects. Their history stays; tracking them again continues it."""

    def act(database: Database, kind: Kind | None) -> list[str]:
        with database.write() as connection:
            return operator_actions.untrack(connection, kind, project_ids, actor(), reason)

    _act("untracked", "is not tracked, or already closed", act, project_ids, kind, as_json=as_json)


@click.command(short_help="Check projects now.")
@click.argument("project_ids", nargs=-1, required=True)
@kind_option
@click.option("--reason", help="The reason, recorded with your name.")
@json_option
def recheck(project_ids: Sequence[str], kind: str | None, reason: str | None, *, as_json: bool) -> None:
    """Make projects due now, including closed ones; workers check them after the next dispatch."""

    def act(database: Database, kind: Kind | None) -> list[str]:
        with database.write() as connection:
            return operator_actions.recheck(connection, kind, project_ids, actor(), reason)

    _act("due now", "is not tracked", act, project_ids, kind, as_json=as_json)


@click.command(short_help="Send deliveries again.")
@click.argument("numbers", nargs=-1, type=click.IntRange(1, 2**63 - 1))
@click.option("--dead", is_flag=True, help="All dead deliveries, at most 10,000 at once.")
@click.option("--destination", help="With --dead: only those for this destination.")
@click.option("--reason", help="The reason, recorded with your name.")
def replay(numbers: Sequence[int], destination: str | None, reason: str | None, *, dead: bool) -> None:
    """Send deliveries again, by number or all dead ones. Their event ids stay the same."""
    if len(numbers) > queries.MOST_REPLAYED:
        raise click.UsageError(f"{len(numbers):,} deliveries given; give at most {queries.MOST_REPLAYED:,} at once")
    if bool(numbers) == dead or (destination and not dead):
        raise click.UsageError("give the numbers of deliveries, or --dead, optionally with --destination")
    with open_database() as database, database.write() as connection:
        ids = None if dead else numbers
        name = meant(connection, destination)
        replayed = queries.replay(connection, ids, actor(), reason, destination=name)
    click.echo(f"{counted(len(replayed), 'delivery', 'deliveries')} will be sent again in the next sweep")
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
        refuse_ambiguous(database, kind, project_ids)
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
