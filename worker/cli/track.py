"""``renderwatch track``: track projects by id."""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import IO, Any, Final

import click

from worker.cli.context import actor, json_option, open_database
from worker.cli.output import print_json
from worker.domain.intake import bounded_json
from worker.domain.intake.request import MOST_CREDITS, Sender
from worker.domain.projects.status import KINDS
from worker.settings import DEFAULT_ACCOUNT, get_settings
from worker.tracking.intake.track import IntakeResult, Rejection, missing_key
from worker.tracking.intake.track import track as take

_LONGEST_FILE: Final = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """A line that intake rejects: what can be shown of it, and the reason."""

    text: str
    reason: str


@click.command(short_help="Track projects: ids, a file, or standard input.")
@click.argument("project_ids", nargs=-1)
@click.option(
    "--file",
    "-f",
    "file",
    type=click.File("rb"),
    help="One id or JSON object per line; - is standard input.",
)
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    default="video",
    show_default=True,
    help="The kind of ids given without one.",
)
@click.option("--account", default=DEFAULT_ACCOUNT, show_default=True, help="The account whose API key is used.")
@click.option(
    "--credits", "credits_charged", type=click.IntRange(0, MOST_CREDITS), help="The create call's credits_charged."
)
@click.option("--type", "type_", help="The projects' type, such as AI_IMAGE; then their first check is planned.")
@click.option("--metadata", help="A JSON object to include in every event.")
@click.option("--notify", multiple=True, help="A destination for this project's events, such as celery:task?queue=q.")
@json_option
def track(  # noqa: PLR0913, PLR0917  one parameter for each option
    project_ids: Sequence[str],
    file: IO[bytes] | None,
    kind: str,
    account: str,
    credits_charged: int | None,
    type_: str | None,
    metadata: str | None,
    notify: Sequence[str],
    *,
    as_json: bool,
) -> None:
    """Track projects until they are settled. Tracking an id again is safe.

    \b
    renderwatch track cmb1xk2v80000l70cf3q9d2ab
    renderwatch track --kind image cmb1xk2v80001l70c8h2k4m6p
    renderwatch track --file ids.txt
    my-service --print-ids | renderwatch track --file -

    Lines of a file are ids, kind:id, or JSON objects as in the Celery message. Every valid id is stored. The exit
    code is 1 if any was rejected.
    """
    fields: dict[str, Any] = {"kind": kind, "account": account}
    if credits_charged is not None:
        fields["credits_charged"] = credits_charged
    if type_ is not None:
        fields["type"] = type_
    if metadata is not None:
        fields["metadata"] = _metadata(metadata)
    if notify:
        fields["notify"] = list(notify)
    items = [_item(text, fields) for text in [*project_ids, *_lines(file)]]
    if not items:
        raise click.UsageError("no ids given; add them to the command, or name a file with --file")
    with open_database() as database:
        taken = take(database, get_settings(), items, Sender(actor()))
    _report(replace(taken, rejected=tuple(map(_explained, taken.rejected))), as_json=as_json)


def _metadata(text: str) -> object:
    try:
        return bounded_json.loads(text)
    except bounded_json.RepeatedKeyError as error:
        raise click.BadParameter(str(error), param_hint="--metadata") from None
    except ValueError as error:
        raise click.BadParameter(f"this is not JSON: {error}", param_hint="--metadata") from None


def _lines(file: IO[bytes] | None) -> list[str | _Unreadable]:
    content = b"" if file is None else file.read(_LONGEST_FILE + 1)
    if len(content) > _LONGEST_FILE:
        raise click.ClickException("the file is longer than 256 MiB; split it")
    # PowerShell writes UTF-16.
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            content = content.decode("utf-16").encode()
        except UnicodeError:
            raise click.ClickException("the file starts like UTF-16 text, but is not") from None
    lines = [_line(number, line) for number, line in enumerate(content.split(b"\n"), 1)]
    return [line for line in lines if isinstance(line, _Unreadable) or (line and not line.startswith("#"))]


def _line(number: int, line: bytes) -> str | _Unreadable:
    try:
        # Windows programs start files with a byte order mark.
        return line.decode().lstrip("\ufeff").strip()
    except UnicodeDecodeError:
        text = line.decode(errors="replace").strip()
        return text if text.startswith("#") else _Unreadable(text, f"line {number} of the file is not UTF-8 text")


def _explained(one: Rejection) -> Rejection:
    if not isinstance(one.request, _Unreadable):
        return one
    return replace(one, request=one.request.text, reason=one.request.reason)


def _item(text: str | _Unreadable, fields: dict[str, Any]) -> object:
    if isinstance(text, _Unreadable):
        return text
    if text.startswith("{"):
        try:
            item = bounded_json.loads(text)
        except bounded_json.RepeatedKeyError as error:
            return _Unreadable(text, str(error))
        except ValueError:
            return text  # intake rejects it with a reason
        return fields | item if isinstance(item, dict) else item
    kind, colon, project_id = text.partition(":")
    return fields | ({"kind": kind, "project_id": project_id} if colon else {"project_id": text})


def _report(taken: IntakeResult, *, as_json: bool) -> None:
    counts = {"new": taken.new, "known": taken.known, "reopened": taken.reopened, "completed": len(taken.added)}
    notes = [missing_key(account) for account in taken.without_key]
    if as_json:
        errors = [{"position": one.position, "request": one.request, "reason": one.reason} for one in taken.rejected]
        print_json(counts | {"rejected": errors, "notes": notes})
    else:
        words = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        click.echo(f"tracked: {words or 'nothing'}")
        for (kind, project_id), parts in taken.added.items():
            click.echo(f"{kind} {project_id}: added {', '.join(parts)}")
        for (kind, project_id), parts in taken.ignored.items():
            click.echo(f"{kind} {project_id}: {', '.join(parts)} kept the values of the first request", err=True)
        for one in taken.rejected:
            click.echo(f"item {one.position + 1} rejected: {one.reason}", err=True)
        for note in notes:
            click.echo(note, err=True)
    if taken.rejected:
        raise click.exceptions.Exit(1)
