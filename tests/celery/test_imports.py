"""What beat and a worker keep in memory: libraries that they never use would be there once in each process."""

import json
import os
import subprocess
import sys
from typing import Final

from alembic.script import ScriptDirectory

from tests.support.processes import ROOT
from worker.store.schema_version import STEPS, steps

_LOAD: Final = """
import json, sys
import worker.tasks.__main__, celery.bin.{command}, celery.apps.{command}
from celery.signals import celeryd_init
from worker.app import app
app.loader.import_default_modules()
{then}
print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})))
"""


def _loaded(command: str, then: str) -> set[str]:
    variables = {"PATH": os.environ["PATH"], "CELERY_BROKER_URL": "redis://127.0.0.1:6379/0"}
    code = _LOAD.format(command=command, then=then)
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return set(json.loads(done.stdout))


def test_beat_imports_nothing_that_only_checks_and_migrations_need() -> None:
    loaded = _loaded("beat", "import worker.tasks.scheduler")
    assert {"celery", "sqlalchemy", "worker"} <= loaded
    assert loaded & {"requests", "pycurl", "alembic", "mako", "prompt_toolkit", "fastapi"} == set()


def test_a_worker_imports_nothing_that_only_migrations_and_shells_need() -> None:
    loaded = _loaded("worker", "celeryd_init.send(sender=None)")
    assert {"requests", "sqlalchemy"} <= loaded
    assert loaded & {"alembic", "mako", "prompt_toolkit", "fastapi"} == set()


def test_the_steps_are_the_ones_that_alembic_finds() -> None:
    found = [step.revision for step in ScriptDirectory(str(STEPS)).walk_revisions()]
    assert list(steps()) == found[::-1]
