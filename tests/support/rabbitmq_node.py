"""A RabbitMQ server of the test's own, so that it can be killed and started again."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final

from amqp.exceptions import AMQPError
from kombu import Connection
from kombu.exceptions import OperationalError

from tests.support.processes import free_port, wait_for
from tests.support.services import Broker, own_name, unavailable

# The program itself: what Debian puts on the PATH becomes the user rabbitmq, and takes its settings from /etc.
_SERVERS: Final = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "/usr/local/sbin/rabbitmq-server")
_START_SECONDS: Final = 90


class RabbitNode:
    """A private RabbitMQ with a node name, ports and a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir()
        self._name = f"{own_name()}@localhost"
        self._ports = (free_port(), free_port())
        self._server: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def broker(self) -> Broker:
        return Broker(f"amqp://guest:guest@127.0.0.1:{self._ports[0]}//")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        server = next(filter(os.path.exists, _SERVERS), None)
        if server is None:
            unavailable("no rabbitmq-server, which is killed and started again here")
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),  # where the Erlang cookie is
            "RABBITMQ_NODENAME": self._name,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._ports[0]),
            "RABBITMQ_DIST_PORT": str(self._ports[1]),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
            "RABBITMQ_LOG_BASE": str(self._folder / "logs"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(self._folder / "none"),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "none"),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_SERVER_ERL_ARGS": "+S 1:1 +sbwt none +K true",
        }
        (self._folder / "plugins").write_text("[].\n", encoding="ascii")
        with (self._folder / "rabbitmq.out").open("ab") as out:
            self._server = subprocess.Popen(
                [server], env=environment, cwd=self._folder, stdout=out, stderr=out, start_new_session=True
            )
        try:
            wait_for(self._answers, _START_SECONDS, "the private RabbitMQ answers", self._said)
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """Kill it at once. What was confirmed is on its disk."""
        if self._server is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait()

    def _answers(self) -> bool:
        with suppress(OSError, OperationalError, AMQPError), Connection(self.broker.url, connect_timeout=3) as client:
            client.ensure_connection(max_retries=1, interval_start=0, timeout=3)
            return True
        return False

    def _said(self) -> str:
        return (self._folder / "rabbitmq.out").read_text(encoding="utf-8", errors="replace")[-2000:]
