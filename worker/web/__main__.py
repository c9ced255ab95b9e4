"""``python -P renderwatch_entry.py worker.web``: what ``renderwatch web`` and ``renderwatch up`` run."""

import logging
import os
import sys
from pathlib import Path

from worker import __version__
from worker.asgi_server import AsgiServer
from worker.domain.log_events import event
from worker.json_logs import use_json, wants_json
from worker.settings import Settings, SettingsError, get_settings, setting_origins
from worker.startup_summary import summarize
from worker.store.engine import Database, DatabaseError, StoreUnavailableError
from worker.store.schema import check
from worker.web.app import create_app
from worker.web.gate.bind_address import NotGuardedError, check_guarded
from worker.web.metrics import serve_metrics


def main() -> int:
    """Serve until a signal. Returns the exit code."""
    try:
        settings = get_settings()
        logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        if wants_json(settings.log_format):
            use_json(logging.getLogger())
        logging.getLogger("alembic").setLevel(logging.WARNING)
        database = Database(settings.database)
        with database.read() as connection:
            check(connection)
        check_guarded(database, settings.web_host)
        _serve(settings, database)
    except StoreUnavailableError as error:
        return _fail(f"database unavailable: {error}; run renderwatch doctor for details")
    except (SettingsError, DatabaseError, NotGuardedError) as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        pass
    return 0


def _serve(settings: Settings, database: Database) -> None:
    app = create_app(settings, database, setting_origins(os.environ, Path.cwd()))
    try:
        server = AsgiServer(app, settings.web_host, settings.web_port, _announce)
    except OSError as error:
        address = f"{settings.web_host}:{settings.web_port}"
        raise SettingsError(f"{address} cannot be listened on: {error.strerror}; choose another port") from None
    serve_metrics(settings, database)
    try:
        server.serve_until_stopped()
    finally:
        database.close()


def _announce(url: str) -> None:
    started = event("process_started", role="web", version=__version__)
    logging.getLogger("renderwatch").info("%s", summarize("web", get_settings()), extra=started)
    sys.stdout.write(f"HTTP API and dashboard: {url}{get_settings().web_root_path}\n")
    sys.stdout.flush()


def _fail(reason: str) -> int:
    sys.stderr.write(f"Error: {reason}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
