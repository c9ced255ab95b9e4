"""``python -m worker.web``: what ``renderwatch web`` and ``renderwatch up`` run."""

import logging
import os
import sys
from pathlib import Path

from worker.settings import Settings, SettingsError, get_settings, setting_origins
from worker.store.engine import Database, DatabaseError, StoreUnavailableError
from worker.store.schema import is_current
from worker.web.app import create_app
from worker.web.server import NotGuardedError, WebServer, check_guarded


def main() -> int:
    """Serve until a signal. Returns the exit code."""
    try:
        settings = get_settings()
        logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        logging.getLogger("alembic").setLevel(logging.WARNING)
        database = Database(settings.database)
        with database.read() as connection:
            if not is_current(connection):
                return _fail("the database does not have the present tables; run: renderwatch migrate")
        check_guarded(database, settings.web_host)
        _serve(settings, database)
    except StoreUnavailableError as error:
        return _fail(f"database unavailable: {error}; renderwatch doctor tells more")
    except (SettingsError, DatabaseError, NotGuardedError) as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        pass
    return 0


def _serve(settings: Settings, database: Database) -> None:
    app = create_app(settings, database, setting_origins(os.environ, Path.cwd()))
    try:
        server = WebServer(app, settings.web_host, settings.web_port, _announce)
    except OSError as error:
        address = f"{settings.web_host}:{settings.web_port}"
        raise SettingsError(f"{address} cannot be listened on: {error.strerror}; choose another port") from None
    try:
        server.serve_until_stopped()
    finally:
        database.close()


def _announce(url: str) -> None:
    sys.stdout.write(f"HTTP API and dashboard: {url}\n")
    sys.stdout.flush()


def _fail(reason: str) -> int:
    sys.stderr.write(f"Error: {reason}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
