"""``renderwatch worker`` and ``renderwatch beat``: Celery's commands, without the current folder on the import path."""

import fcntl
import os
import sys
from collections.abc import Sequence
from typing import Final

import click

from worker.installation import check_installation, our_module
from worker.settings import get_settings

COMMAND: Final = our_module("worker.tasks")
_MOST_WORKERS: Final = 64
_PASSED_ON: Final = {"ignore_unknown_options": True, "allow_interspersed_args": False}


@click.command(short_help="Run a worker, which checks projects and delivers events.", context_settings=_PASSED_ON)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def worker(options: Sequence[str]) -> None:
    """Run a worker until SIGTERM or Ctrl-C. Run as many as you like, on as many hosts.

    All options of `celery worker` can be given, for example --concurrency 4 or --queues renderwatch.checks.
    `renderwatch worker -- --help` lists them.
    """
    named = any(option.startswith(("-n", "--hostname")) for option in options)
    _run("worker", options if named else ["--hostname", _node_name(), *options])


@click.command(short_help="Run beat, which schedules the checks.", context_settings=_PASSED_ON)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def beat(options: Sequence[str]) -> None:
    """Run beat until SIGTERM or Ctrl-C. Run two: duplicates do no harm, and one may fail.

    All options of `celery beat` can be given. `renderwatch beat -- --help` lists them.
    """
    _run("beat", options)


def _node_name() -> str:
    """Return a node name that is unique on this host, because Celery cannot tell workers of the same name apart.

    It has the first free number, locked while the process lives, so that a restarted worker
    gets its old name, and with it the messages that it held.
    """
    folder = get_settings().state_dir / "workers"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for number in range(1, _MOST_WORKERS + 1):
            file = os.open(folder / f"{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(file)
                continue
            os.set_inheritable(file, True)  # noqa: FBT003  os's signature; the lock must outlive exec
            return f"renderwatch{number}@%h"
    except OSError:
        pass  # not a writable state folder: the process id works too, except that it changes with a restart
    return f"renderwatch-{os.getpid()}@%h"


def _run(process: str, options: Sequence[str]) -> None:
    # A level given on the command line comes later and overrides this one.
    check_installation()
    settings = get_settings()
    command = [*COMMAND, process, "--loglevel", settings.log_level, *options]
    sys.stdout.flush()
    os.execv(command[0], command)  # noqa: S606  our own program replaces this process
