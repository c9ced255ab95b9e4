"""docker-compose.yml and the Dockerfile, read as an operator would: safe by default, and in step with the settings."""

import re
from typing import Any

import pytest
import yaml

from tests.support.processes import ROOT
from worker.settings import Settings, env_name

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("migrate", "worker", "beat", "web")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
EXAMPLE = (ROOT / "deploy/example.env").read_text(encoding="utf-8")


def test_the_services_are_those_that_the_readme_promises() -> None:
    assert set(SERVICES) == {"postgres", "redis", *OURS}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_restarts_and_all_that_stay_tell_their_health(name: str) -> None:
    service = SERVICES[name]
    if name == "migrate":
        assert service["restart"] == "on-failure"
        return
    assert service["restart"] == "unless-stopped"
    assert {"test", "interval", "timeout", "retries"} <= service["healthcheck"].keys()


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_but_the_dashboard_is_published_to_this_machine_and_images_are_pinned(name: str) -> None:
    ports = SERVICES[name].get("ports", [])
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert not ports or name == "web"
    image = SERVICES[name]["image"]
    assert image == "renderwatch" or re.search(r":\d", image)


@pytest.mark.parametrize("name", OURS)
def test_our_containers_may_do_nothing_that_they_need_not(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_there_is_no_default_secret() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    secrets = re.findall(r"\$\{(\w*(?:PASSWORD|KEY)\w*)([^}]*)\}", text)
    assert {name for name, _ in secrets} == {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "MAGIC_HOUR_API_KEY"}
    assert all(rest.startswith(":?") for _, rest in secrets)
    assert all(re.search(rf"^{name}=$", EXAMPLE, re.MULTILINE) for name, _ in secrets)


def test_the_environment_names_settings_that_exist() -> None:
    known = {env_name(field) for field in Settings.model_fields}
    for name in OURS:
        assert set(SERVICES[name]["environment"]) <= known


def test_tables_come_before_work() -> None:
    for name in ("worker", "beat", "web"):
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert SERVICES["migrate"]["depends_on"]["postgres"] == {"condition": "service_healthy"}


def test_a_worker_has_time_to_finish_its_batch() -> None:
    grace = int(SERVICES["worker"]["stop_grace_period"].removesuffix("s"))
    assert grace >= Settings().lease_seconds


def test_the_image_is_locked_and_its_user_is_nobody_special() -> None:
    assert "--require-hashes -r requirements.lock" in DOCKERFILE
    last = DOCKERFILE.rsplit("FROM ", 1)[1]
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", last, re.MULTILINE)
    assert "COPY --from=build /venv /venv" in last
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        assert all((ROOT / path).exists() for path in source.split())
