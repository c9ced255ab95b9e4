"""A Celery transport on a folder: each message is a file. It needs no server, and processes share it.

kombu's filesystem transport writes a message in place, and a worker that reads it half written ends with an exception;
it also moves messages through the system's temporary folder. This one makes both steps a rename inside one folder.
The URL, `spool:///absolute/folder`, holds all settings; each process calls `register` once, for kombu does not take a
class's name from a URL.
"""

from __future__ import annotations

import logging
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps, loads

logger = logging.getLogger(__name__)

POLLING_INTERVAL = 0.05  # seconds between two looks at an empty folder

# Queues that belong to one process: nobody reads them after a restart.
PASSING_QUEUES = ("*.pidbox.msg", "*.celeryev.*.msg")


def register() -> None:
    """Make `spool:///folder` a broker URL in this process; to call it again changes nothing."""
    TRANSPORT_ALIASES["spool"] = f"{__name__}:Transport"


def spool_url(folder: Path) -> str:
    """Return the broker URL for a folder made by `prepare`."""
    return f"spool://{quote(str(folder.absolute()))}"


def prepare(folder: Path) -> None:
    """Make the folder, and remove what earlier processes left; no process may be using it. Messages stay."""
    (folder / "control").mkdir(mode=0o700, parents=True, exist_ok=True)
    for pattern in ("control/*", ".*", *PASSING_QUEUES):
        for left in folder.glob(pattern):
            left.unlink(missing_ok=True)


class Channel(filesystem.Channel):
    """Reads and writes messages in the folder of the URL."""

    @property
    def transport_options(self) -> dict[str, str]:
        """Place all that the parent class keeps into the folder."""
        folder = unquote(urlsplit(self.connection.client.hostname).path)  # type: ignore[union-attr]  # never None while in use
        return {"data_folder_in": folder, "data_folder_out": folder, "control_folder": f"{folder}/control"}

    # The published types of `_put` know neither JSON's other values nor the base class's own name for the message.
    def _put(self, queue: str, payload: Any, **_: Any) -> None:  # type: ignore[override]  # noqa: ANN401 - see above
        # The wall clock, because the monotonic one starts again with the machine and would put new messages first.
        name = f"{time.time_ns()}_{uuid.uuid4().hex}.{queue}.msg"
        unfinished = Path(self.data_folder_out, f".new-{name}")
        try:
            unfinished.write_text(dumps(payload))
            unfinished.rename(unfinished.with_name(name))
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            message = f"cannot store a message in {self.data_folder_out}: {error}"
            raise ChannelError(message) from error

    def _get(self, queue: str, timeout: float | None = None) -> Any:  # noqa: ANN401, ARG002 - the parent's signature
        folder = Path(self.data_folder_in)
        for name in sorted(path.name for path in folder.iterdir()):
            if name.partition(".")[2] != f"{queue}.msg":
                continue
            taken = folder / f".taken-{name}"
            try:
                (folder / name).rename(taken)
            except FileNotFoundError:  # another worker was faster
                continue
            text = taken.read_text()
            taken.unlink()
            try:
                return loads(text)
            except ValueError:
                logger.warning("dropped the unreadable message %s", name)
        raise Empty


class Transport(filesystem.Transport):
    """The transport; kombu leaves the whole URL to it."""

    Channel = Channel
    can_parse_url = True
    polling_interval = POLLING_INTERVAL
    driver_type = driver_name = "spool"
