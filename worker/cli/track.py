"""``renderwatch track``: hand over ids."""

import json
from collections.abc import Sequence
from typing import IO, Any

import click

from worker.cli.context import json_option, open_database
from worker.cli.output import print_json
from worker.domain.status import KINDS
from worker.settings import DEFAULT_ACCOUNT, get_settings
from worker.tracking.intake import MOST_ITEMS, Taken
from worker.tracking.intake import track as take


@click.command(short_help="Track projects: ids, a file, or standard input.")
@click.argument("project_ids", nargs=-1)
@click.option(
    "--file",
    "-f",
    "file",
    type=click.File("r", encoding="utf-8"),
    help="One id or JSON object a line; - is standard input.",
)
@click.option(
    "--kind", type=click.Choice(KINDS), default="video", show_default=True, help="Of ids that come without one."
)
@click.option("--account", default=DEFAULT_ACCOUNT, show_default=True, help="Whose API key is used.")
@click.option("--credits", "credits_charged", type=click.IntRange(min=0), help="The create call's credits_charged.")
@click.option("--metadata", help="A JSON object of yours; it comes back with every event.")
@click.option("--notify", multiple=True, help="A destination for this project's events, such as celery:task?queue=q.")
@json_option
def track(  # noqa: PLR0913  one parameter for each option
    project_ids: Sequence[str],
    file: IO[str] | None,
    kind: str,
    account: str,
    credits_charged: int | None,
    metadata: str | None,
    notify: Sequence[str],
    *,
    as_json: bool,
) -> None:
    """Track projects until they are settled. Tracking an id twice does no harm.

    \b
    renderwatch track cmb1xk2v80000l70cf3q9d2ab
    renderwatch track --kind image cmb1xk2v80001l70c8h2k4m6p
    renderwatch track --file ids.txt
    my-service --print-ids | renderwatch track --file -

    Lines of a file are ids, kind:id, or JSON objects as in the Celery message. When it is done, every good id is
    stored; the exit code is 1 if there was a bad one.
    """
    fields: dict[str, Any] = {"kind": kind, "account": account}
    if credits_charged is not None:
        fields["credits_charged"] = credits_charged
    if metadata is not None:
        fields["metadata"] = _metadata(metadata)
    if notify:
        fields["notify"] = list(notify)
    items = [_item(text, fields) for text in [*project_ids, *_lines(file)]]
    if not items:
        raise click.UsageError("no ids given; write them after the command, or name a file with --file")
    with open_database() as database:
        parts = [items[start : start + MOST_ITEMS] for start in range(0, len(items), MOST_ITEMS)]
        taken = [take(database, get_settings(), part) for part in parts]
    _report(taken, as_json=as_json)


def _metadata(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"this is not JSON: {error}", param_hint="--metadata") from None


def _lines(file: IO[str] | None) -> list[str]:
    try:
        lines = [] if file is None else [line.strip() for line in file]
    except UnicodeDecodeError:
        raise click.ClickException("the file is not UTF-8 text") from None
    return [line for line in lines if line and not line.startswith("#")]


def _item(text: str, fields: dict[str, Any]) -> object:
    if text.startswith("{"):
        try:
            return fields | json.loads(text)
        except ValueError:
            return text  # intake says what is wrong with it
    kind, colon, project_id = text.partition(":")
    return fields | ({"kind": kind, "project_id": project_id} if colon else {"project_id": text})


def _report(taken: Sequence[Taken], *, as_json: bool) -> None:
    rejected = [
        (number * MOST_ITEMS + rejection.position, rejection)
        for number, part in enumerate(taken)
        for rejection in part.rejected
    ]
    counts = {
        "new": sum(part.new for part in taken),
        "known": sum(part.known for part in taken),
        "reopened": sum(part.reopened for part in taken),
    }
    if as_json:
        errors = [{"position": at, "request": one.request, "reason": one.reason} for at, one in rejected]
        print_json(counts | {"rejected": errors})
    else:
        words = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        click.echo(f"tracked: {words or 'nothing'}")
        for at, one in rejected:
            click.echo(f"item {at + 1} rejected: {one.reason}", err=True)
    if rejected:
        raise click.exceptions.Exit(1)
