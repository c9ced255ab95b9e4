"""The access log: who asked for what, and nothing that is secret."""

import json
import logging
from typing import Any

import httpx
import pytest

from tests.support.processes import wait_for
from tests.web.conftest import served
from worker.json_logs import JsonFormatter
from worker.store.engine import Database

LOGGER = "renderwatch.web.access"


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(JsonFormatter().format(record)) for record in caplog.records if record.name == LOGGER]


def test_each_request_is_a_line_with_the_name_of_its_token(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger=LOGGER)
    with served(database, web_access_log=True) as web:
        with web.client("read", name="billing") as client:
            token = client.headers["authorization"].removeprefix("Bearer ")
            client.get("/v1/projects", params={"account": "a-query"})
            client.get(f"/v1/{token}/a%0Ab" + "x" * 1000)
        httpx.get(f"{web.url}/v1/projects", trust_env=False)
        httpx.get(f"{web.url}/livez", trust_env=False)
        wait_for(lambda: len(logged(caplog)) == 3, 10, "three requests are logged")
    lines = logged(caplog)
    assert [(line["method"], line["path"][:20], line["status"], line.get("caller")) for line in lines] == [
        ("GET", "/v1/projects", 200, "billing"),
        ("GET", "/v1/rw_***/a%0Abxxxx", 404, "billing"),
        ("GET", "/v1/projects", 401, None),
    ]
    assert all(line["event"] == "request_served" and 0 <= line["seconds"] < 60 for line in lines)
    said = json.dumps(lines)
    assert token not in said
    assert "a-query" not in said
    assert max(len(json.dumps(line)) for line in lines) < 1000


def test_it_is_off_by_default(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger=LOGGER)
    with served(database) as web, web.client("read") as client:
        client.get("/v1/projects")
    assert logged(caplog) == []
