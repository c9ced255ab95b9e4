"""A PostgreSQL primary of the test's own with a hot standby, and an address in front of them that can be moved."""

import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psycopg

from tests.support.private_server import Server, as_user, folder_of
from tests.support.processes import free_port, wait_for
from tests.support.services import unavailable

_USER: Final = "postgres"
_QUIET: Final = "fsync=off\nmax_wal_senders=4\nwal_level=replica\nhot_standby=on\nlisten_addresses='127.0.0.1'\n"


def _binary(name: str) -> str:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
    return str(found[-1]) if found else unavailable(f"this machine has no {name}, which makes a PostgreSQL cluster")


def _do(*command: str) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", **as_user(_USER))  # type: ignore[call-overload]
    assert ended.returncode == 0, ended.stderr


class PostgresServer:
    """One server of a pair."""

    def __init__(self, folder: Path, port: int) -> None:
        """Start the server on a data folder that is there already."""
        self.port = port
        self._data = folder
        command = [_binary("postgres"), "-D", str(folder), "-p", str(port), "-k", str(folder.parent)]
        self._server = Server(command, folder.parent / f"{folder.name}.out", _USER)
        wait_for(self._answers, 30, "the private PostgreSQL answers", self._server.output.read_text)

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError):
            self.execute("SELECT 1")
            return True
        return False

    def execute(self, statement: str) -> None:
        """Run one statement, outside of a transaction."""
        with psycopg.connect(self.url, autocommit=True, connect_timeout=3) as connection:
            connection.execute(statement)

    def value(self, statement: str) -> object:
        """Return the first column of the first row."""
        with psycopg.connect(self.url, autocommit=True, connect_timeout=3) as connection:
            row = connection.execute(statement).fetchone()
            return row[0] if row else None

    def set_read_only(self, *, read_only: bool) -> None:
        """Make every transaction of every session read-only, those of open connections too."""
        self.execute(f"ALTER SYSTEM SET default_transaction_read_only = {'on' if read_only else 'off'}")
        self.execute("SELECT pg_reload_conf()")
        wanted = "on" if read_only else "off"
        wait_for(lambda: self.value("SHOW default_transaction_read_only") == wanted, 10, "it is so")

    def promote(self) -> None:
        """Make a primary of a standby."""
        self.execute("SELECT pg_promote(true, 30)")

    def stop(self) -> None:
        self._server.stop(signal.SIGQUIT)


@contextmanager
def primary_and_standby() -> Iterator[tuple[PostgresServer, PostgresServer]]:
    """Run a primary, and a hot standby that follows it."""
    initdb, basebackup = _binary("initdb"), _binary("pg_basebackup")
    with folder_of(_USER) as folder:
        servers: list[PostgresServer] = []
        try:
            data = folder / "primary"
            _do(initdb, "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C")
            with (data / "postgresql.conf").open("a") as conf:
                conf.write(_QUIET)
            primary = PostgresServer(data, free_port())
            servers.append(primary)
            copy = folder / "standby"
            source = f"host=127.0.0.1 port={primary.port} user=postgres"
            _do(basebackup, "-D", str(copy), "-d", source, "-R", "--checkpoint=fast", "--no-sync")
            standby = PostgresServer(copy, free_port())
            servers.append(standby)
            yield primary, standby
        finally:
            for server in servers:
                server.stop()


class MovableAddress:
    """A port that leads to a server, as a virtual address or a DNS name does. Open connections stay where they are."""

    def __init__(self, port: int) -> None:
        """Lead to a port from now on."""
        self.target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(("127.0.0.1", self.target), timeout=5) as server:
            server.settimeout(None)
            back = threading.Thread(target=_copy, args=(server, client), daemon=True)
            back.start()
            _copy(client, server)
            back.join()

    def close(self) -> None:
        """Listen no more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):  # wakes up the thread of the other direction
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
