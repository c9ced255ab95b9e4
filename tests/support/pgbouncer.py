"""A PgBouncer of the test's own, in transaction mode, in front of the tests' PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import psycopg

from tests.support.private_server import Server, folder_of, program
from tests.support.processes import free_port, wait_for

_CONFIGURATION: Final = """
[databases]
* = {server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 200
"""


@contextmanager
def pgbouncer(url: str, *, pool_size: int = 6) -> Iterator[str]:
    """Give the URL by which a database is reached through PgBouncer, with its defaults but for the pool mode."""
    found = psycopg.conninfo.conninfo_to_dict(url)
    server = " ".join(f"{name}={found[name]}" for name in ("host", "port", "user", "password") if found.get(name))
    port = free_port()
    with folder_of("postgres") as folder:
        (folder / "pgbouncer.ini").write_text(_CONFIGURATION.format(server=server, port=port, size=pool_size))
        running = Server([program("pgbouncer"), "pgbouncer.ini"], folder / "pgbouncer.out", "postgres")
        pooled = f"postgresql://postgres@127.0.0.1:{port}/{found['dbname']}"
        try:
            wait_for(lambda: _answers(pooled), 15, "PgBouncer answers", running.output.read_text)
            yield pooled
        finally:
            running.stop()


def _answers(url: str) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(url, connect_timeout=3):
        return True
    return False
