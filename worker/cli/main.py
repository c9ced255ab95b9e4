"""The top-level command. An error that a user can cause is printed as one line."""

import sys
from typing import Any

import click

from worker import __version__
from worker.cli.commands import COMMANDS
from worker.cli.lazy_group import LazyGroup
from worker.installation import OutdatedInstallationError, check_installation


class _Commands(LazyGroup):
    """A group that turns errors of the layers below into messages for users."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  click's signature
        try:
            return self._invoke(ctx)
        except OutdatedInstallationError as error:
            raise click.ClickException(str(error)) from None

    def _invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  as above
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # reports a full disk here, not at exit
            return result  # noqa: TRY300  flushing is part of the work
        except (click.ClickException, click.exceptions.Exit, click.Abort, OutdatedInstallationError):
            raise
        except ImportError:
            check_installation()
            raise
        except Exception as error:
            from worker.cli.user_errors import sentence  # noqa: PLC0415  imports half of the program, needed only here

            if said := sentence(error):
                raise click.ClickException(said) from None
            raise


@click.group(
    cls=_Commands, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="renderwatch")
def main() -> None:
    """Track Magic Hour projects to their end: every status and credit, with events for the systems that depend on them.

    Start with `renderwatch up`. Settings come from the environment and renderwatch.toml; `renderwatch doctor` checks
    everything and says how to fix what is wrong.
    """
