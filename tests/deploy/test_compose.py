"""docker-compose.yml and the Dockerfile, read as an operator would: safe by default, and in step with the settings."""

import re
import subprocess
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.processes import ROOT
from worker.settings import SECRETS, Settings, env_name, load_settings

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("migrate", "worker", "beat", "web")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
KEYS = ("MAGIC_HOUR_API_KEY", "MAGIC_HOUR_API_KEYS")


def test_the_profiles_are_those_that_the_file_explains() -> None:
    by_profile: dict[str, set[str]] = {}
    for name, service in SERVICES.items():
        (profile,) = service["profiles"]
        by_profile.setdefault(profile, set()).add(name)
    assert by_profile == {
        "core": {"postgres", "redis", *OURS},
        "rabbitmq": {"rabbitmq"},
        "monitoring": {"prometheus", "grafana"},
    }
    assert "\nCOMPOSE_PROFILES=core\n" in (ROOT / "deploy/example.env").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_restarts_is_limited_and_all_that_stay_tell_their_health(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == ("on-failure" if name == "migrate" else "unless-stopped")
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    assert {"cpus", "memory"} <= service["deploy"]["resources"]["limits"].keys()
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    if name != "migrate":
        assert {"test", "interval", "timeout", "retries"} <= service["healthcheck"].keys()


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_to_this_machine_only_and_images_are_pinned(name: str) -> None:
    ports = SERVICES[name].get("ports", [])
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert not ports or name in {"web", "prometheus", "grafana"}
    image = SERVICES[name]["image"]
    assert image == "renderwatch" or re.search(r":v?\d", image)


@pytest.mark.parametrize("name", OURS)
def test_our_containers_are_read_only_and_can_write_their_state(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"]
    state = re.search(r"RENDERWATCH_STATE_DIR=(\S+)", DOCKERFILE)
    assert state
    assert any(mount.startswith(f"{state[1]}:uid=10001") for mount in service["tmpfs"])


@pytest.mark.parametrize("name", OURS)
def test_every_setting_reaches_our_containers_and_keys_reach_workers_only(name: str) -> None:
    service = SERVICES[name]
    assert service["env_file"] == [".env"]
    given = service["environment"]
    assert set(given) <= {env_name(field) for field in Settings.model_fields} | {env_name(s) + "_FILE" for s in SECRETS}
    if name == "worker":
        assert "magic_hour_api_key" in service["secrets"]
        assert not set(given) & set(KEYS)
    else:
        assert "magic_hour_api_key" not in service["secrets"]
        assert all(given[key] == "" for key in KEYS)
    for variable, path in given.items():
        if variable.endswith("_FILE"):
            assert path.removeprefix("/run/secrets/") in service["secrets"]


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_the_secrets_that_the_script_makes_are_those_that_the_services_use(broker: str, tmp_path: Path) -> None:
    def make(*arguments: str) -> str:
        made = subprocess.run(
            [ROOT / "deploy/make-secrets", *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        return made.stdout

    def passwords() -> dict[str, str]:
        return {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "secrets").glob("*_password")}

    assert "secrets/magic_hour_api_key" in make(broker)
    before = passwords()
    assert len(set(before.values())) == 5
    assert all(re.fullmatch(r"[0-9a-f]{48}", password) for password in before.values())
    (tmp_path / "secrets/magic_hour_api_key").write_text("mhk_live_mine\n", encoding="utf-8")
    assert make(broker) == ""
    assert passwords() == before

    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    for secret in COMPOSE["secrets"].values():
        assert (tmp_path / secret["file"]).stat().st_mode & 0o777 == 0o644
    names = {"database_url": "DATABASE_URL", "broker_url": "CELERY_BROKER_URL", "magic_hour_api_key": KEYS[0]}
    settings = load_settings({f"{v}_FILE": str(tmp_path / "secrets" / k) for k, v in names.items()}, tmp_path)
    assert settings.broker.startswith({"redis": "redis://:", "rabbitmq": "amqp://renderwatch:"}[broker])
    assert f"@{broker}:" in settings.broker
    assert before["postgres_password"] in settings.database
    assert settings.accounts["default"].get_secret_value() == "mhk_live_mine"


def test_there_is_no_secret_in_the_file_or_in_an_environment() -> None:
    for name, service in SERVICES.items():
        for variable in service.get("environment", {}):
            assert not re.search(r"(PASSWORD|KEY|TOKEN)$", variable) or variable in KEYS, (name, variable)
    used = {s if isinstance(s, str) else s["source"] for x in SERVICES.values() for s in x.get("secrets", [])}
    assert used == set(COMPOSE["secrets"])


def test_tables_come_before_work() -> None:
    for name in ("worker", "beat", "web"):
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert SERVICES["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_a_worker_has_time_to_finish_its_batch() -> None:
    grace = int(SERVICES["worker"]["stop_grace_period"].removesuffix("s"))
    assert grace > Settings().lease_seconds


def test_what_is_mounted_exists() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (ROOT / source).exists() if source.startswith("./") else source in COMPOSE["volumes"]


def test_the_image_is_locked_and_its_user_is_nobody_special() -> None:
    assert "install --require-hashes -r requirements.lock" in DOCKERFILE
    last = DOCKERFILE.rsplit("FROM ", 1)[1]
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", last, re.MULTILINE)
    assert "COPY --from=build /venv /venv" in last
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        for source in sources.split():
            assert list(ROOT.glob(source))
            assert f"!{source}" in ignored


def test_each_extra_of_the_image_has_its_lock() -> None:
    default = re.search(r'^ARG EXTRAS="(.*)"$', DOCKERFILE, re.MULTILINE)
    assert default
    for extra in {*default[1].split(), "fast", "otel", "parquet"}:
        assert "--hash=sha256:" in (ROOT / f"requirements-{extra}.lock").read_text(encoding="utf-8")


def test_the_image_ships_no_build_tools() -> None:
    removed = re.search(r"uninstall --yes (hatchling .*?) \\$", DOCKERFILE, re.MULTILINE)
    assert removed
    assert set(removed[1].split()) == _needs("hatchling") - _needs("renderwatch") - {"packaging"} | {"hatchling"}


def _needs(package: str) -> set[str]:
    """Return what a package needs, directly or through others. ``packaging`` is needed by Celery's Redis transport."""
    found: set[str] = set()
    waiting = [package]
    while waiting:
        for requirement in requires(waiting.pop()) or []:
            name = re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-")
            if not re.search("extra ==|python_(full_)?version <|sys_platform", requirement) and name not in found:
                found.add(name)
                waiting.append(name)
    return found
