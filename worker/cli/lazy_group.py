"""A group that imports a command only when it runs, so that ``--help`` and ``--version`` stay fast."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

import click


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """The location of a command (``module:attribute``), and its line in the list of commands."""

    location: str
    short_help: str

    def load(self) -> click.Command:
        """Import the command. Raises TypeError when the location holds something else."""
        module, _, attribute = self.location.partition(":")
        found = getattr(import_module(module), attribute)
        if not isinstance(found, click.Command):
            raise TypeError(f"{self.location} is not a command")
        return found


class LazyGroup(click.Group):
    """A group of commands known by name and location."""

    def __init__(self, *args: object, lazy: Mapping[str, LazyCommand], **kwargs: object) -> None:
        """Import nothing yet; ``lazy`` maps the name of each command to its location."""
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # click's own arguments, passed through
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Return the names of all commands, sorted."""
        return sorted(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  as above
        """Import one command; return None if the name is unknown."""
        return self.lazy[cmd_name].load() if cmd_name in self.lazy else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  as above
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.short_help) for name, command in sorted(self.lazy.items())])
