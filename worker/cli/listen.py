"""``renderwatch listen``: print events as they happen, over HTTP."""

from collections.abc import Sequence
from typing import Final

import click

from worker.cli.output import print_json_line
from worker.client import Event, Renderwatch, RenderwatchError
from worker.domain.projects.events import EVENT_TYPES
from worker.domain.projects.status import KINDS

_URL: Final = "http://127.0.0.1:8321"


@click.command(short_help="Print events as they happen, over HTTP.")
@click.option("--url", envvar="RENDERWATCH_URL", default=_URL, show_default=True, help="Where renderwatch web serves.")
@click.option(
    "--since",
    help="Id of the last event received; print later ones first. Events from up to a minute before it may be repeated.",
)
@click.option("--type", "types", multiple=True, type=click.Choice(EVENT_TYPES), help="May be given several times.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="May be given several times.")
@click.option("--account", help="Only events of this account.")
@click.option("--json", "as_json", is_flag=True, help="Print each event as a line of JSON, as destinations receive it.")
def listen(
    url: str, since: str | None, types: Sequence[str], kinds: Sequence[str], account: str | None, *, as_json: bool
) -> None:
    """Print events as they happen, until Ctrl-C. A lost connection is resumed, and nothing is missed meanwhile.

    \b
    export RENDERWATCH_TOKEN=$(renderwatch tokens create listener)
    renderwatch listen --type project.completed --type project.failed

    It reads the event stream of the HTTP API with the token in RENDERWATCH_TOKEN, which needs the scope read.
    Examples that renderwatch trigger sends go to their destinations only, and are not shown.
    """
    try:
        click.echo(f"connecting to {url}", err=True)
        with Renderwatch(url) as client:
            events = client.events(since, types=types, kinds=kinds, account=account)
            click.echo(f"listening to {url}; Ctrl-C ends", err=True)
            for event in events:
                if as_json:
                    print_json_line(event.model_dump(exclude_unset=True))  # times as destinations receive them
                else:
                    click.echo(line(event))
    except KeyboardInterrupt:
        return
    except (RenderwatchError, ValueError) as error:
        raise click.ClickException(str(error)) from None


def line(event: Event) -> str:
    """Return what an event says, in one line."""
    credits_ = "" if event.credits_after is None else f"  {event.credits_after} credits"
    if event.credits_before not in {None, event.credits_after}:
        credits_ += f" ({event.credits_before} before)"
    error = f"  {event.error.code or event.error.message}" if event.error else ""
    project = f"{event.kind} {event.project_id}"
    return f"{event.occurred_at:%Y-%m-%d %H:%M:%S}  {event.type:<26}{project}{credits_}{error}"
