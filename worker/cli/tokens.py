"""``renderwatch tokens``: access to the HTTP API and the dashboard."""

from collections.abc import Sequence
from datetime import timedelta

import click

from worker.cli.context import actor, json_option, open_database
from worker.cli.output import console, print_json, table
from worker.domain.access_tokens import MEANING, SCOPES, is_token_name
from worker.store import access_tokens as store


@click.group(short_help="Create, list and revoke tokens for the HTTP API and the dashboard.")
def tokens() -> None:
    """Create, list and revoke tokens for the HTTP API and the dashboard.

    A token has scopes. track: track projects; read: read everything, the dashboard included; operate: check now,
    untrack, replay deliveries, resume accounts.
    """


@tokens.command(short_help="Create a token and print it.")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPES),
    help="May be repeated (default: read).",
)
@click.option(
    "--days",
    type=click.FloatRange(min=0, min_open=True, max=3650),
    help="Days until the token expires (default: never).",
)
@json_option
def create(name: str, scopes: Sequence[str], days: float | None, *, as_json: bool) -> None:
    """Create a token for NAME, such as a service or a person, and print it. It cannot be shown again.

    \b
    renderwatch tokens create studio --scope track --scope read
    renderwatch tokens create ann --scope read --scope operate --days 90
    """
    if not is_token_name(name):
        raise click.ClickException("a token name has 1 to 63 letters, digits, dots, - and _")
    lifetime = None if days is None else timedelta(days=days)
    given = list(scopes) or ["read"]
    with open_database() as database, database.write() as connection:
        try:
            token = store.create_token(connection, name, given, actor(), lifetime)
        except store.NameTakenError as error:
            raise click.ClickException(str(error)) from None
    if as_json:
        print_json({"name": name, "scopes": given, "token": token})
        return
    click.echo(token)
    allowed = "; ".join(MEANING[scope] for scope in SCOPES if scope in given)
    click.echo(f"{name} may: {allowed}. Save the token now: only its hash is stored.", err=True)


@tokens.command("list", short_help="List the tokens, without the secrets.")
@json_option
def list_(*, as_json: bool) -> None:
    """List the tokens, without the secrets."""
    with open_database() as database, database.read() as connection:
        rows = store.list_tokens(connection)
    if as_json:
        print_json(rows)
        return
    headers = ("name", "scopes", "valid", "created (UTC)", "by", "last used (UTC)", "expires (UTC)", "revoked (UTC)")
    keys = ("created_at", "created_by", "last_used_at", "expires_at", "revoked_at")
    console().print(
        table(
            headers,
            [
                (row["name"], " ".join(row["scopes"]), "yes" if row["is_valid"] else "no", *(row[key] for key in keys))
                for row in rows
            ],
        )
    )


@tokens.command(short_help="Revoke a token.")
@click.argument("name")
def revoke(name: str) -> None:
    """Revoke the token NAME and end the dashboard sessions that it opened."""
    with open_database() as database, database.write() as connection:
        known = store.revoke_token(connection, name)
    if not known:
        raise click.ClickException(f"there is no valid token {name!r}; renderwatch tokens list shows them")
    click.echo(f"{name}: revoked")
