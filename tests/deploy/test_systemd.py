"""The units: what systemd itself says of them, and that only workers get API keys."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.processes import ROOT
from worker.settings import SECRETS, Settings, env_name

UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))
by_unit = pytest.mark.parametrize("unit", UNITS, ids=[unit.stem for unit in UNITS])


def test_there_is_one_for_each_process() -> None:
    assert [unit.stem for unit in UNITS] == ["renderwatch-beat", "renderwatch-web", "renderwatch-worker"]


@by_unit
def test_systemd_accepts_it_and_calls_it_hardened(unit: Path, tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("this machine has no systemd-analyze")
    copy = tmp_path / unit.name
    # Only the program is not where the unit says.
    text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text(encoding="utf-8"), flags=re.MULTILINE)
    copy.write_text(text, encoding="utf-8")
    for question in (["verify"], ["security", "--offline=true", "--threshold=20"]):
        command = ["systemd-analyze", *question, str(copy)]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (said.returncode, said.stderr) == (0, "")


@by_unit
def test_it_comes_back_uses_settings_that_exist_and_gets_no_more_secrets_than_it_needs(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    assert "\nRestart=always\n" in text
    assert "\nDynamicUser=yes\n" in text
    variables = set(re.findall(r"\b((?:RENDERWATCH|DATABASE|CELERY|MAGIC)_\w+)=", text))
    assert variables <= {env_name(name) for name in Settings.model_fields} | {env_name(n) + "_FILE" for n in SECRETS}
    credentials = dict(re.findall(r"^LoadCredential=(\w+):(\S+)$", text, re.MULTILINE))
    assert set(re.findall(r"=%d/(\w+)", text)) == set(credentials)
    assert ("magic_hour_api_key" in credentials) == (unit.stem == "renderwatch-worker")


def test_a_worker_has_time_to_finish_its_batch() -> None:
    text = (ROOT / "deploy/systemd/renderwatch-worker.service").read_text(encoding="utf-8")
    stop = re.search(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    assert stop
    assert int(stop[1]) > Settings().lease_seconds
