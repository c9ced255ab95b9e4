"""The alerts: each fires when its fault is there, is silent otherwise, and is explained in the runbook."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support.processes import ROOT
from tests.support.services import unavailable
from worker.cli.commands import COMMANDS
from worker.domain.metrics import CATALOGUE

RULES_FILE: Final = ROOT / "deploy/monitoring/rules/renderwatch.yml"
GROUPS: Final[list[dict[str, Any]]] = yaml.safe_load(RULES_FILE.read_text(encoding="utf-8"))["groups"]
ALERTS: Final = {rule["alert"]: rule for group in GROUPS for rule in group["rules"]}
RUNBOOK: Final = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
FINDINGS: Final = "".join(
    file.read_text(encoding="utf-8") for file in sorted((ROOT / "worker/domain/monitoring").glob("*findings.py"))
)

# One sample a minute: well for ten, the fault for an hour, well again for half an hour and more.
WELL_AT, FAULT_AT, OVER_AT = "9m", "69m", "2h30m"
COUNTING: Final = "0+0x9 0+10x60 600+0x120"
# For each alert that is no finding: the series that have the fault.
FAULTS: Final = {
    "RenderwatchMetricsMissing": {'renderwatch_build_info{version="0.2.0"}': "1x9 _x60 1x120"},
    "RenderwatchDatabaseDown": {"renderwatch_database_up": "1x9 0x60 1x120"},
    "RenderwatchRequestsRejected": {"renderwatch_requests_rejected_total": COUNTING},
    "RenderwatchUnknownValues": {'renderwatch_unknown_values_total{field="status"}': COUNTING},
    "RenderwatchLeasesExpire": {"renderwatch_leases_expired_total": COUNTING},
    "RenderwatchApiFailing": {
        'renderwatch_checks_total{outcome="unavailable"}': COUNTING,
        'renderwatch_checks_total{outcome="unchanged"}': "0+5x200",
    },
}


def codes(alert: str) -> list[str]:
    """Return the findings that an alert is about."""
    match = re.search(r'renderwatch_finding\{code=~?"([^"]+)"', ALERTS[alert]["expr"])
    return match[1].split("|") if match else []


def faults(alert: str) -> dict[str, str]:
    found = {
        f'renderwatch_finding{{code="{code}",severity="x",account="a",instance="{instance}"}}': "_x9 1x60 _x120"
        for code in codes(alert)
        for instance in ("web-1", "web-2")
    }
    series = found or FAULTS[alert]
    return series if alert == "RenderwatchMetricsMissing" else {'renderwatch_build_info{version="0"}': "1x200"} | series


def expected(alert: str) -> list[dict[str, Any]]:
    rule = ALERTS[alert]
    labels = [{"code": code, "account": "a"} for code in codes(alert)] or [{}]
    if alert == "RenderwatchUnknownValues":
        labels = [{"field": "status"}]
    return [{"exp_labels": rule["labels"] | each, "exp_annotations": rule["annotations"]} for each in labels]


def injection(alert: str) -> dict[str, Any]:
    """Return promtool's test of one fault: the alert fires, no other one does, and it resolves."""
    times = [(WELL_AT, []), (FAULT_AT, expected(alert)), (OVER_AT, [])]
    # Without build_info in the series of that one fault, no other alert could fire.
    others = [] if alert == "RenderwatchMetricsMissing" else [name for name in ALERTS if name != alert]
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in faults(alert).items()],
        "alert_rule_test": [
            {"eval_time": time, "alertname": name, "exp_alerts": alerts if name == alert else []}
            for time, alerts in times
            for name in [alert, *others]
        ],
    }


def test_each_alert_fires_with_its_fault_alone_and_resolves(tmp_path: Path) -> None:
    promtool = shutil.which("promtool") or unavailable("no promtool on the PATH (Debian's package prometheus)")
    tests = [injection(alert) for alert in ALERTS]
    plan = {"rule_files": [str(RULES_FILE)], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "test.yml").write_text(yaml.safe_dump(plan), encoding="utf-8")
    command = [promtool, "test", "rules", str(tmp_path / "test.yml")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_finding_has_an_alert() -> None:
    known = set(re.findall(r'Finding\(\s*"(\w+)"', FINDINGS))
    assert len(known) > 10
    alerted = {code for alert in ALERTS for code in codes(alert)}
    # Rejected requests are a finding for a day, and an alert when they come.
    assert known - {"rejected_requests"} == alerted


def test_alerts_use_metrics_that_exist() -> None:
    known = {metric.full_name for metric in CATALOGUE}
    for rule in ALERTS.values():
        assert set(re.findall(r"\brenderwatch_\w+", rule["expr"])) <= known


@pytest.mark.parametrize("alert", ALERTS)
def test_the_runbook_says_what_it_means_where_to_look_and_what_to_do(alert: str) -> None:
    section = RUNBOOK.split(f"\n## {alert}\n")[1].split("\n## ")[0]
    for part in ("**Means.** ", "**Look.** ", "**Do.** "):
        assert part in section
    assert ALERTS[alert]["annotations"]["runbook"] == f"docs/runbook.md#{alert.lower()}"
    assert ALERTS[alert]["labels"]["severity"] in section


def test_the_runbook_has_no_section_of_an_alert_that_is_gone() -> None:
    assert re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE) == list(ALERTS)


def test_kubernetes_gets_the_same_rules() -> None:
    manifest = yaml.safe_load((ROOT / "deploy/kubernetes/monitoring/prometheus-rule.yaml").read_text(encoding="utf-8"))
    assert manifest["spec"]["groups"] == GROUPS


def test_the_runbooks_commands_exist() -> None:
    assert set(re.findall(r"`renderwatch ([a-z-]+)", RUNBOOK)) <= set(COMMANDS)
