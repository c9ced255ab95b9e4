"""``python -P renderwatch_entry.py worker.tasks worker`` and ``… beat``: Celery's own commands, on our application.

``celery -A worker.app`` puts the current folder on the import path; this way a user's ``worker.py`` is not imported.
"""

import sys
from importlib import import_module

import click
from celery.bin.base import CLIContext

from worker.app import app
from worker.json_logs import wants_json
from worker.settings import get_settings


def main(arguments: list[str]) -> int:
    """Run ``worker`` or ``beat`` with options of Celery's. Returns the exit code.

    Not through Celery's group of all commands, whose imports would cost 10 MiB of memory in each process.
    """
    name, *options = arguments
    command: click.Command = getattr(import_module(f"celery.bin.{name}"), name)
    quiet = wants_json(get_settings().log_format)  # the banner is not JSON
    context = CLIContext(app=app, no_color=False, workdir=None, quiet=quiet)
    try:
        done = command.main(
            options,
            prog_name=f"celery {name}",
            standalone_mode=False,
            obj=context,
            auto_envvar_prefix=f"CELERY_{name.upper()}",
        )
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 1
    return done if isinstance(done, int) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
