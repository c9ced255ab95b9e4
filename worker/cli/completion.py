"""``renderwatch completion``: shell completion."""

import click
from click.shell_completion import get_completion_class


@click.command(short_help="Print the shell completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell; for bash: source <(renderwatch completion bash)."""
    found = get_completion_class(shell)
    root = click.get_current_context().find_root().command
    if found is None:
        raise click.ClickException(f"completion is not available for {shell}")
    click.echo(found(root, {}, "renderwatch", "_RENDERWATCH_COMPLETE").source())
