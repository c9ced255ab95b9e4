"""The command itself: its subcommands, and one line for every error that a user can make."""

from importlib.metadata import version

import click

from worker.cli import (
    accounts,
    as_of,
    credits_,
    db,
    delays,
    doctor,
    explain,
    export,
    history,
    list_,
    migrate,
    operate,
    reconcile,
    show,
    simulate,
    tokens,
    track,
    up,
    upkeep,
    watch,
    web,
)
from worker.cli.completion import completion
from worker.embedded.broker import BrokerInUseError, BrokerUnavailableError
from worker.settings import SettingsError
from worker.store.engine import DatabaseError, StoreUnavailableError

_USER_ERRORS = (SettingsError, DatabaseError, StoreUnavailableError, BrokerInUseError, BrokerUnavailableError)


class _Commands(click.Group):
    """A group whose commands may raise the errors of the layers below."""

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except StoreUnavailableError as error:
            raise click.ClickException(f"database unavailable: {error}; renderwatch doctor tells more") from None
        except _USER_ERRORS as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("renderwatch"), prog_name="renderwatch")
def main() -> None:
    """Track Magic Hour projects to the end: every status, every credit, and news for whoever must know.

    Start with `renderwatch up`. Settings come from the environment and renderwatch.toml; `renderwatch doctor` checks
    everything and says how to fix what is wrong.
    """


for command in (
    up.up,
    track.track,
    operate.untrack,
    operate.recheck,
    operate.replay,
    show.show,
    list_.list_,
    watch.watch,
    history.history,
    as_of.as_of,
    credits_.credits_,
    explain.explain,
    delays.delays,
    reconcile.reconcile,
    accounts.accounts,
    migrate.migrate,
    db.db,
    export.export,
    upkeep.upkeep,
    web.web,
    tokens.tokens,
    simulate.simulate,
    doctor.doctor,
    completion,
):
    main.add_command(command)
