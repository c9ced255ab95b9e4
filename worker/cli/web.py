"""``renderwatch web``: the HTTP API and the dashboard."""

import os
import sys

import click

from worker.settings import env_name

COMMAND = (sys.executable, "-m", "worker.web")


@click.command(short_help="Serve the HTTP API and the dashboard.")
@click.option("--host", help="The address to listen on; RENDERWATCH_WEB_HOST if left out.")
@click.option("--port", type=click.IntRange(0, 65535), help="RENDERWATCH_WEB_PORT if left out; 0 takes any free one.")
def web(host: str | None, port: int | None) -> None:
    """Serve the HTTP API under /v1 and the dashboard under /, until Ctrl-C.

    Everybody logs in with a token: `renderwatch tokens create NAME --scope read --scope operate`.
    """
    given = {"web_host": host, "web_port": port}
    chosen = {env_name(name): str(value) for name, value in given.items() if value is not None}
    sys.stdout.flush()
    os.execve(COMMAND[0], COMMAND, os.environ | chosen)  # noqa: S606  our own program, in this process's place
