"""Names that are meant for us and are no settings are refused; those of other programs do not matter."""

from pathlib import Path

import pytest

from worker.settings import Settings, SettingsError, load_settings, setting_origins

# What Kubernetes gives each container for Services called renderwatch, renderwatch-web and magic-hour-api.
KUBERNETES = {
    "RENDERWATCH_PORT": "tcp://10.96.0.12:8321",
    "RENDERWATCH_SERVICE_HOST": "10.96.0.12",
    "RENDERWATCH_SERVICE_PORT": "8321",
    "RENDERWATCH_SERVICE_PORT_HTTP": "8321",
    "RENDERWATCH_PORT_8321_TCP": "tcp://10.96.0.12:8321",
    "RENDERWATCH_PORT_8321_TCP_PROTO": "tcp",
    "RENDERWATCH_PORT_8321_TCP_PORT": "8321",
    "RENDERWATCH_PORT_8321_TCP_ADDR": "10.96.0.12",
    "RENDERWATCH_PORT_53_UDP": "udp://10.96.0.12:53",
    "RENDERWATCH_WEB_PORT": "tcp://10.96.0.13:80",
    "RENDERWATCH_WEB_SERVICE_HOST": "10.96.0.13",
    "RENDERWATCH_WEB_SERVICE_PORT_METRICS_2": "9100",
    "RENDERWATCH_WEB_PORT_80_TCP_ADDR": "fd00::13",
    "MAGIC_HOUR_API_PORT": "tcp://10.96.0.14:80",
    "MAGIC_HOUR_API_SERVICE_HOST": "10.96.0.14",
    # Docker's links add these.
    "RENDERWATCH_NAME": "/studio/renderwatch",
    "RENDERWATCH_ENV_PATH": "/usr/local/bin",
}


def refusal(directory: Path, **environ: str) -> str:
    with pytest.raises(SettingsError) as raised:
        load_settings(environ, directory)
    return str(raised.value)


def test_the_variables_of_kubernetes_services_are_no_settings(tmp_path: Path) -> None:
    assert load_settings(KUBERNETES, tmp_path) == Settings()
    assert set(setting_origins(KUBERNETES, tmp_path).values()) == {"default"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RENDERWATCH_PORT", "8321"),
        ("RENDERWATCH_PORTS", "tcp://10.96.0.12:8321"),
        ("RENDERWATCH_SERVICE_HOSTS", "10.96.0.12"),
        ("RENDERWATCH_PORT_TCP", "tcp://10.96.0.12:8321"),
    ],
)
def test_names_that_only_resemble_them_are_refused(tmp_path: Path, name: str, value: str) -> None:
    assert refusal(tmp_path, **{name: value}).startswith(f"there is no setting {name}")


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("DATABASE_ULR", "postgresql://rw:s3cret@db/rw", "DATABASE_URL"),
        ("DATABSE_URL", "sqlite:////srv/rw.db", "DATABASE_URL"),
        ("DATABASE_URI", "postgres://rw:s3cret@db/rw", "DATABASE_URL"),
        ("database_url", "postgres://rw:s3cret@db/rw", "DATABASE_URL"),
        ("CELERY_BROKER_ULR", "redis://h/0", "CELERY_BROKER_URL"),
        ("CELERY_BROKR_URL", "redis://h/0", "CELERY_BROKER_URL"),
        ("MAGIC_HOUR_API_KY", "s3cret", "MAGIC_HOUR_API_KEY"),
        ("MAGICHOUR_API_KEY", "s3cret", "MAGIC_HOUR_API_KEY"),
        ("MAGIC_HOUR_APIKEY", "s3cret", "MAGIC_HOUR_API_KEY"),
        ("MAGIC_HOUR_API_KEYES", '{"a": "s3cret"}', "MAGIC_HOUR_API_KEYS"),
        ("MAGIC_HOUR_BASEURL", "https://h", "MAGIC_HOUR_BASE_URL"),
        ("MAGIC_HOUR_KEY", "s3cret", "MAGIC_HOUR_API_KEY"),
        ("MAGIC_HOUR_TOKEN", "s3cret", "MAGIC_HOUR_API_KEY"),
        ("MAGIC_HOUR_KEY_FILE", "/run/secrets/key", "MAGIC_HOUR_API_KEY_FILE"),
        ("MAGIC_HOUR_API_KEY_PATH", "/run/secrets/key", "MAGIC_HOUR_API_KEY_FILE"),
        ("MAGIC_HOUR_API_URL", "https://h", "MAGIC_HOUR_BASE_URL"),
        ("DATABASE_URL_PATH", "/run/secrets/url", "DATABASE_URL_FILE"),
        ("CELERY_BROKER", "redis://h/0", "CELERY_BROKER_URL"),
        ("BROKER_URL", "amqp://h", "CELERY_BROKER_URL"),
        ("DB_URL", "postgres://rw:s3cret@db/rw", "DATABASE_URL"),
        ("MAGIC_HOUR_API_KEY_FLIE", "/run/secrets/key", "MAGIC_HOUR_API_KEY_FILE"),
    ],
)
def test_a_slip_in_a_name_without_our_prefix_is_refused(tmp_path: Path, name: str, value: str, meant: str) -> None:
    assert refusal(tmp_path, **{name: value}) == f"there is no setting {name}; did you mean {meant}?"


@pytest.mark.parametrize(
    "environ",
    [
        {"DATABASE_URI": "mysql://db/other"},  # no database that we could use
        {"DATABASE_URLS": "x"},
        {"DATABASE_USER": "postgres"},
        {"TEST_DATABASE_URL": "postgresql://db/other"},
        {"DATABASE_URL": "postgresql://db/rw", "DATABASE_URI": "postgresql://db/other"},
        {"DATABASE_URL": "postgresql://db/rw", "DATABASE_URL2": "postgresql://db/other"},
        {"CELERY_RESULT_BACKEND": "redis://h/0", "CELERY_BROKER": "none"},
        {"CELERY_BROKER_URL": "redis://h/1", "CELERY_BROKER": "redis://h/0", "BROKER_URL": "redis://h/0"},
        {"DB_URL": "mysql://db/other", "REDIS_URL": "redis://h/0"},
        {"MAGIC_HOUR_API_KEY": "one", "MAGIC_HOUR_API_KEY2": "two", "MAGIC_HOUR_KEY": "three"},
        {"MAGIC_HOUR_VERSION": "3", "MAGIC_HOUR_TIMEOUT": "3"},
        {"DATABASE_ULR": ""},
    ],
)
def test_variables_of_other_programs_do_not_matter(tmp_path: Path, environ: dict[str, str]) -> None:
    load_settings(environ, tmp_path)


def test_a_name_that_resembles_no_setting_is_refused_without_a_suggestion(tmp_path: Path) -> None:
    assert refusal(tmp_path, RENDERWATCH_TEST="1") == "there is no setting RENDERWATCH_TEST"


def test_a_slip_does_not_matter_when_the_file_has_the_setting(tmp_path: Path) -> None:
    (tmp_path / "renderwatch.toml").write_text('database_url = "sqlite:////srv/rw.db"', encoding="utf-8")
    assert load_settings({"DATABASE_URI": "postgresql://db/other"}, tmp_path).database == "sqlite:////srv/rw.db"


def test_files_that_an_editor_on_windows_wrote_are_read(tmp_path: Path) -> None:
    (tmp_path / "renderwatch.toml").write_text("rate = 3", encoding="utf-8-sig")
    (tmp_path / "key").write_text("one\r\n", encoding="utf-8-sig", newline="")
    settings = load_settings({"MAGIC_HOUR_API_KEY_FILE": str(tmp_path / "key")}, tmp_path)
    assert settings.rate == 3
    assert settings.accounts["default"].get_secret_value() == "one"
