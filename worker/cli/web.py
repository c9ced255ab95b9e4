"""``renderwatch web``: the HTTP API and the dashboard."""

import os
import sys

import click

from worker.installation import check_installation, our_module
from worker.settings import env_name

COMMAND = our_module("worker.web")


@click.command(short_help="Serve the HTTP API and the dashboard.")
@click.option("--host", help="The address to listen on; default: RENDERWATCH_WEB_HOST.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="The port; default: RENDERWATCH_WEB_PORT; 0 picks a free one."
)
def web(host: str | None, port: int | None) -> None:
    """Serve the HTTP API under /v1 and the dashboard under /, until Ctrl-C.

    Users log in with a token: `renderwatch tokens create NAME --scope read --scope operate`.
    """
    check_installation()
    given = {"web_host": host, "web_port": port}
    chosen = {env_name(name): str(value) for name, value in given.items() if value is not None}
    sys.stdout.flush()
    os.execve(COMMAND[0], COMMAND, os.environ | chosen)  # noqa: S606  our own program replaces this process
