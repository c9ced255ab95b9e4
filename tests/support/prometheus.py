"""A real Prometheus with the rules that we ship."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.support.processes import ROOT, free_port
from tests.support.services import unavailable


@contextmanager
def prometheus(folder: Path, target: int, *, patience: str | None = None) -> Iterator[httpx.Client]:
    """Run a Prometheus that scrapes a port each second, with our rules. ``patience`` replaces their ``for``."""
    program = shutil.which("prometheus") or unavailable("no prometheus on the PATH (Debian's package prometheus)")
    given = yaml.safe_load((ROOT / "deploy/monitoring/prometheus.yml").read_text(encoding="utf-8"))
    given["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    given["rule_files"] = [str(folder / "rules.yml")]
    (folder / "rules.yml").write_text(yaml.safe_dump(_rules(patience)), encoding="utf-8")
    given["scrape_configs"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{target}"]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(given), encoding="utf-8")
    port = free_port()
    options = {
        "config.file": folder / "prometheus.yml",
        "storage.tsdb.path": folder / "tsdb",
        "web.listen-address": f"127.0.0.1:{port}",
    }
    with (folder / "prometheus.log").open("wb") as log:
        running = subprocess.Popen([program, *(f"--{k}={v}" for k, v in options.items())], stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", trust_env=False, timeout=30) as client:
            yield client
    finally:
        running.terminate()
        running.wait(30)


def _rules(patience: str | None) -> Any:  # noqa: ANN401  YAML
    rules = yaml.safe_load((ROOT / "deploy/monitoring/rules/renderwatch.yml").read_text(encoding="utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            if patience and "for" in rule:
                rule["for"] = patience
    return rules


def query(client: httpx.Client, expression: str) -> list[Any]:
    """Return the result of a query; an answer that is an error fails."""
    try:
        answer = client.get("/query", params={"query": expression}).json()
    except httpx.ConnectError:
        return []  # it is starting
    assert answer["status"] == "success", (expression, answer)
    found: list[Any] = answer["data"]["result"]
    return found
