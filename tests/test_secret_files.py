import os
from pathlib import Path

import pytest

from worker.settings import SECRETS, Settings, SettingsError, env_name, load_settings, setting_origins

VALUES = {
    "database_url": "postgresql://rw:secret-word@db/rw",
    "celery_broker_url": "redis://:secret-word@redis/0",
    "magic_hour_api_key": "mhk_live_secret-word",
    "magic_hour_api_keys": '{"studio": "mhk_live_secret-word"}',
    "broker_transport_options": '{"password": "secret-word"}',
    "brokers": '{"studio": "redis://:secret-word@studio:6379/0"}',
    "magic_hour_webhook_secrets": '{"default": "whsec_c2VjcmV0LXdvcmRzZWNyZXQtd29yZHNlY3JldC13b3Jk"}',
    "webhook_secrets": '{"https://hooks.example.com": "whsec_c2VjcmV0LXdvcmRzZWNyZXQtd29yZHNlY3JldC13b3Jk"}',
}


@pytest.mark.parametrize("field", SECRETS)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_every_secret_can_be_in_a_file(field: str, end: str, tmp_path: Path) -> None:
    name = env_name(field)
    (tmp_path / "secret").write_text(VALUES[field] + end, encoding="utf-8", newline="")
    variables = {f"{name}_FILE": str(tmp_path / "secret")}
    given = load_settings(variables, tmp_path)
    assert given == load_settings({name: VALUES[field]}, tmp_path)
    assert given != Settings()
    assert "secret-word" not in repr(given)
    assert setting_origins(variables, tmp_path)[field] == f"{name}_FILE"


def test_secrets_are_all_that_does_not_show() -> None:
    hidden = {
        name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation) or not field.repr
    }
    assert hidden == set(SECRETS)


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read: No such file"), ("", "is empty"), (" \n", "is empty"), ("x" * 70_000, "is larger than")],
)
def test_a_file_that_cannot_be_used_is_an_error_that_names_it(content: str | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match=said) as raised:
        load_settings({"MAGIC_HOUR_API_KEY_FILE": str(path)}, tmp_path)
    assert f"MAGIC_HOUR_API_KEY_FILE names {path}" in str(raised.value)


def test_a_folder_and_bytes_that_are_no_text_are_errors(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    for path, said in ((tmp_path, "Is a directory"), (tmp_path / "bytes", "not text in UTF-8")):
        with pytest.raises(SettingsError, match=said):
            load_settings({"MAGIC_HOUR_API_KEY_FILE": str(path)}, tmp_path)


def test_a_pipe_is_refused_and_a_link_to_a_file_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SettingsError, match="is not a regular file"):
        load_settings({"MAGIC_HOUR_API_KEY_FILE": str(tmp_path / "pipe")}, tmp_path)
    (tmp_path / "..data").mkdir()  # as Kubernetes mounts secrets
    (tmp_path / "..data/key").write_text("mhk_live_one", encoding="utf-8")
    (tmp_path / "key").symlink_to("..data/key")
    settings = load_settings({"MAGIC_HOUR_API_KEY_FILE": str(tmp_path / "key")}, tmp_path)
    assert settings.accounts["default"].get_secret_value() == "mhk_live_one"


def test_a_secret_that_is_set_twice_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("mhk_live_one", encoding="utf-8")
    variables = {"MAGIC_HOUR_API_KEY": "mhk_live_two", "MAGIC_HOUR_API_KEY_FILE": str(tmp_path / "secret")}
    with pytest.raises(SettingsError, match="both set"):
        load_settings(variables, tmp_path)


def test_only_secrets_can_be_in_files(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="RENDERWATCH_RATE_FILE"):
        load_settings({"RENDERWATCH_RATE_FILE": "rate"}, tmp_path)
