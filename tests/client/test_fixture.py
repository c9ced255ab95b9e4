import json
import os

import pytest
from celery import Celery

from worker.client import testing
from worker.domain.intake.request import parse_request


@pytest.mark.parametrize("options", ["", "&confirm=5", "&ordered=true", "&priority=3&confirm=60"])
def test_the_fixture_allows_any_task_as_a_destination(options: str) -> None:
    allowed = json.loads(testing._SETTINGS["RENDERWATCH_NOTIFY_ALLOW"])
    for destination in (f"celery:your.task?queue=yours{options}", f"celery:your.task?{options[1:]}".rstrip("?")):
        request = {"kind": "video", "project_id": "cmb1xk2v80000l70", "notify": [destination]}
        assert parse_request(request, allowed).notify == {"*": [destination]}


def test_the_fixtures_broker_is_not_overridden_by_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL")
    for name in names:
        monkeypatch.setenv(name, "redis://production/0")
    app = Celery("my", broker="redis://127.0.0.1:1/0", set_as_current=False)
    with testing.no_other_broker():
        urls = (app.conf.broker_url, app.conf.broker_read_url, app.conf.broker_write_url)
        assert urls == ("redis://127.0.0.1:1/0",) * 3
    assert [os.environ[name] for name in names] == ["redis://production/0"] * 3
