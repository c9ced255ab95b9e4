import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from worker.domain.scheduling.rate_limit import Limits
from worker.domain.scheduling.schedule import Plan
from worker.settings import Settings, SettingsError, env_name, load_settings
from worker.store.engine import Database
from worker.store.schema import migrate

SECRET = "s3cret"  # noqa: S105  not one


def load(directory: Path, file: str | None = None, **environ: str) -> Settings:
    if file is not None:
        (directory / "renderwatch.toml").write_text(file, encoding="utf-8")
    return load_settings(environ, directory)


def refusal(directory: Path, file: str | None = None, **environ: str) -> str:
    with pytest.raises(SettingsError) as raised:
        load(directory, file, **environ)
    assert SECRET not in f"{raised.value!r} {raised.value}"
    return str(raised.value)


def test_the_database_lies_in_the_state_folder_whatever_that_is_called(tmp_path: Path) -> None:
    folder = tmp_path / "100%25 für #1?"
    database = Database(load(tmp_path, RENDERWATCH_STATE_DIR=str(folder)).database)
    migrate(database)
    database.close()
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    assert (folder / "renderwatch.db").exists()


def test_nothing_needs_to_be_set(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.magic_hour_base_url == "https://api.magichour.ai"
    assert settings.accounts == {}
    assert settings.database.startswith("sqlite:////")
    assert settings.database.endswith("/.renderwatch/renderwatch.db")
    assert settings.broker == "redis://127.0.0.1:6379/0"
    assert settings.plan == Plan()
    assert settings.limits == Limits(rate=10, burst=50)


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    settings = load(tmp_path, "rate = 3\nburst = 7\n", RENDERWATCH_RATE="4")
    assert settings.limits == Limits(rate=4, burst=7)


@pytest.mark.parametrize("name", ["RENDERWATCH_RATE", "DATABASE_URL", "RENDERWATCH_CONFIG"])
def test_an_empty_variable_is_one_that_is_not_set(tmp_path: Path, name: str) -> None:
    settings = load(tmp_path, "rate = 3\n", **{name: ""})
    assert settings.rate == 3
    assert settings.database_url is None


def test_variables_of_others_do_not_matter(tmp_path: Path) -> None:
    assert load(tmp_path, PATH="/bin", DATABASE_URLS="x", renderwatch_x="y") == load(tmp_path)


def test_every_setting_has_one_variable() -> None:
    names = [env_name(field) for field in Settings.model_fields]
    plain = {"DATABASE_URL", "CELERY_BROKER_URL", "MAGIC_HOUR_API_KEY", "MAGIC_HOUR_API_KEYS", "MAGIC_HOUR_BASE_URL"}
    assert len(set(names)) == len(names)
    assert {name for name in names if not name.startswith("RENDERWATCH_")} == plain


def test_lists_and_objects_are_written_as_json(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        RENDERWATCH_SETTLE_GAPS="[1, 2.5]",
        RENDERWATCH_ROUTES='{"project.completed": ["celery:media.publish"]}',
        RENDERWATCH_NOTIFY_ALLOW=' ["celery:*"]',
        RENDERWATCH_BROKER_TRANSPORT_OPTIONS='{"global_keyprefix": "a"}',
        RENDERWATCH_STATE_DIR="/var/lib/renderwatch",
    )
    assert settings.plan.settle_gaps == (1, 2.5)
    assert settings.routes == {"project.completed": ["celery:media.publish"]}
    assert settings.notify_allow == ["celery:*"]
    assert settings.broker_transport_options == {"global_keyprefix": "a"}
    assert settings.database == "sqlite:////var/lib/renderwatch/renderwatch.db"


def test_the_plan_is_what_was_set(tmp_path: Path) -> None:
    chosen: dict[str, Any] = {
        "least_gap": 1,
        "greatest_gap": 9,
        "settle_gaps": [5],
        "refund_gaps": [],
        "stalled_after": 60,
        "give_up_after": 90,
    }
    variables = {env_name(name): json.dumps(value) for name, value in chosen.items()}
    assert load(tmp_path, **variables).plan == Plan(**{**chosen, "settle_gaps": (5,), "refund_gaps": ()})


# --- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("RENDERWATCH_RATES", "RENDERWATCH_RATE"),
        ("RENDERWATCH_LEASE_SECS", "RENDERWATCH_LEASE_SECONDS"),
        ("RENDERWATCH_MAGIC_HOUR_APIKEYS", "MAGIC_HOUR_API_KEYS"),
        ("RENDERWATCH_DATABASE_URL", "DATABASE_URL"),
        ("RENDERWATCH_MAGIC_HOUR_API_KEY", "MAGIC_HOUR_API_KEY"),
    ],
)
def test_an_unknown_variable_is_refused_with_a_near_match(tmp_path: Path, name: str, meant: str) -> None:
    assert refusal(tmp_path, **{name: SECRET}) == f"there is no setting {name}; did you mean {meant}?"


def test_an_unknown_variable_like_no_other_is_refused_without_a_guess(tmp_path: Path) -> None:
    assert refusal(tmp_path, RENDERWATCH_XYZZY=SECRET) == "there is no setting RENDERWATCH_XYZZY"


def test_an_unknown_key_in_the_file_is_refused_with_a_near_match(tmp_path: Path) -> None:
    answer = refusal(tmp_path, f'lease_second = "{SECRET}"')
    assert answer == "renderwatch.toml: there is no setting 'lease_second'; did you mean lease_seconds?"


# --- values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "answer"),
    [
        ("RENDERWATCH_RATE", "0", "greater than 0"),
        ("RENDERWATCH_RATE", "nan", "it must be a finite number"),
        ("RENDERWATCH_SETTLE_GAPS", "[NaN]", "it must be a finite number"),
        ("RENDERWATCH_RATE", SECRET, "valid number"),
        ("RENDERWATCH_BURST", "1", "greater than or equal to 2"),
        ("RENDERWATCH_BURST", "2.5", "valid integer"),
        ("RENDERWATCH_REQUEST_TIMEOUT", "-1", "greater than 0"),
        ("RENDERWATCH_CHECK_CONCURRENCY", "1001", "less than or equal to 1000"),
        ("RENDERWATCH_WEB_HOST", "http://0.0.0.0", "the port is RENDERWATCH_WEB_PORT"),
        ("RENDERWATCH_WEB_HOST", "0.0.0.0:80", "the port is RENDERWATCH_WEB_PORT"),
        ("RENDERWATCH_WEB_HOST", "*", "such as 127.0.0.1, 0.0.0.0 or ::"),
        ("RENDERWATCH_WEB_ROOT_PATH", "renderwatch", "a path that begins with a slash"),
        ("RENDERWATCH_STATE_DIR", "~/renderwatch", "~ and variables are not expanded"),
        ("RENDERWATCH_STATE_DIR", "$HOME/renderwatch", "~ and variables are not expanded"),
        ("MAGIC_HOUR_API_KEY", f"Bearer {SECRET}", "begins with Bearer, which is added to it"),
        ("MAGIC_HOUR_API_KEY", f'"{SECRET}"', "is in quotes, or is a placeholder"),
        ("MAGIC_HOUR_API_KEY", "${" + SECRET, "is in quotes, or is a placeholder"),
        ("MAGIC_HOUR_API_KEYS", '{"studio": "<your-key>"}', "the key of 'studio' is in quotes, or is a placeholder"),
        ("RENDERWATCH_LOG_LEVEL", SECRET, "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("RENDERWATCH_SETTLE_GAPS", "30, 120", "written as JSON"),
        ("RENDERWATCH_SETTLE_GAPS", "[30, 0]", "RENDERWATCH_SETTLE_GAPS.1: Input should be greater than 0"),
        ("RENDERWATCH_SETTLE_GAPS", f"[30, {SECRET}", "is not valid JSON"),
        ("RENDERWATCH_NOTIFY_ALLOW", SECRET, "written as JSON"),
        ("MAGIC_HOUR_API_KEYS", SECRET, "written as JSON"),
        ("MAGIC_HOUR_API_KEYS", '{"Team A": "s3cret"}', "an account name has"),
        ("MAGIC_HOUR_API_KEYS", '{"a": "s3cret and more"}', "the key of 'a' is empty, or has spaces"),
        ("MAGIC_HOUR_API_KEYS", '{"a": ""}', "the key of 'a' is empty"),
        ("MAGIC_HOUR_API_KEYS", '{"a": ["s3cret"]}', "MAGIC_HOUR_API_KEYS.a: Input should be a valid string"),
        ("MAGIC_HOUR_API_KEYS", "[" * 100_000, "is not valid JSON"),
        ("MAGIC_HOUR_API_KEYS", '{"a": "s3cret1", "a": "s3cret2"}', "'a' occurs twice as a key of one object"),
        ("RENDERWATCH_ROUTES", '{"*": ["celery:x"], "*": ["celery:y"]}', "'*' occurs twice as a key of one object"),
        ("RENDERWATCH_WEBHOOK_SECRETS", '{"https://a:s3cret@b": 1, "https://a:s3cret@b": 2}', "a URL occurs twice"),
        ("RENDERWATCH_ROUTES", '{"project.complete": []}', "did you mean project.completed?"),
        ("RENDERWATCH_ROUTES", '["selery:x"]', "'selery:x' is not a destination"),
        ("RENDERWATCH_ROUTES", "celery:x", "routes must be a list of destinations"),
        ("MAGIC_HOUR_API_KEY", "s3cret\ns3cret", "the key is empty, or has spaces, line breaks"),
    ],
)
def test_a_wrong_value_is_refused_under_its_variables_name(tmp_path: Path, name: str, value: str, answer: str) -> None:
    told = refusal(tmp_path, **{name: value})
    assert told.startswith(name)
    assert answer in told


@pytest.mark.parametrize(
    ("field", "value", "read"),
    [
        ("log_level", "info", "INFO"),
        ("log_level", "warn", "WARNING"),
        ("log_format", "JSON", "json"),
        ("web_host", "[::1]", "::1"),
        ("web_host", "fe80::1%eth0", "fe80::1%eth0"),
        ("web_trusted_proxies", "10.0.0.1, ", ["10.0.0.1"]),
        ("web_trusted_proxies", "10.0.0.1 10.1.0.0/16", ["10.0.0.1", "10.1.0.0/16"]),
        ("state_dir", "[odd]/{folder}", Path("[odd]/{folder}")),
    ],
)
def test_values_are_read_in_the_forms_that_people_write(tmp_path: Path, field: str, value: str, read: object) -> None:
    assert getattr(load(tmp_path, **{env_name(field): value}), field) == read


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("RENDERWATCH_RATE = 5", "no setting 'RENDERWATCH_RATE'; write it as rate"),
        ('DATABASE_URL = "sqlite:////x.db"', "no setting 'DATABASE_URL'; write it as database_url"),
        ("[renderwatch]\nrate = 5", "settings are at the top level of the file, not in a table"),
    ],
)
def test_the_file_says_how_a_setting_is_written_in_it(tmp_path: Path, file: str, said: str) -> None:
    assert said in refusal(tmp_path, file)


def test_a_wrong_value_in_the_file_is_named_too(tmp_path: Path) -> None:
    assert refusal(tmp_path, "rate = 'fast'").startswith("RENDERWATCH_RATE: ")


def test_all_wrong_values_are_told_at_once(tmp_path: Path) -> None:
    answer = refusal(tmp_path, RENDERWATCH_RATE="0", RENDERWATCH_BURST="0")
    assert "RENDERWATCH_RATE: " in answer
    assert "; RENDERWATCH_BURST: " in answer


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        ({"lease_seconds": 29, "request_timeout": 15}, "lease_seconds must be at least twice request_timeout"),
        ({"least_gap": 9, "greatest_gap": 8}, "least_gap must not be greater than greatest_gap"),
        ({"magic_hour_api_key": "a", "magic_hour_api_keys": {"default": "b"}}, "the account 'default' has two keys"),
    ],
)
def test_values_must_fit_together(values: dict[str, Any], answer: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Settings(**values)
    assert answer in str(raised.value)


def test_a_lease_of_twice_the_timeout_and_gaps_that_never_grow_are_fine() -> None:
    assert Settings(lease_seconds=30, request_timeout=15).lease_seconds == 30
    assert Settings(least_gap=5, greatest_gap=5).plan.least_gap == 5


# --- accounts and secrets -------------------------------------------------------------------------------------------


def test_the_plain_key_is_the_default_accounts(tmp_path: Path) -> None:
    settings = load(tmp_path, MAGIC_HOUR_API_KEY="one", MAGIC_HOUR_API_KEYS='{"studio": "two"}')
    assert {name: key.get_secret_value() for name, key in settings.accounts.items()} == {
        "default": "one",
        "studio": "two",
    }


def test_the_default_account_may_stand_among_the_others(tmp_path: Path) -> None:
    assert set(load(tmp_path, '[magic_hour_api_keys]\ndefault = "one"').accounts) == {"default"}


def test_no_repr_shows_a_secret(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        DATABASE_URL=f"postgresql://me:{SECRET}@db/renderwatch",
        CELERY_BROKER_URL=f"redis://:{SECRET}@redis/0",
        MAGIC_HOUR_API_KEY=SECRET,
        MAGIC_HOUR_API_KEYS=json.dumps({"studio": SECRET}),
        RENDERWATCH_BROKER_TRANSPORT_OPTIONS=json.dumps({"sentinel_kwargs": {"password": SECRET}}),
    )
    assert SECRET in settings.database
    assert SECRET in settings.broker
    assert SECRET not in f"{settings!r} {settings} {settings.accounts}"


def test_no_error_of_the_model_shows_a_secret() -> None:
    wrong: dict[str, Any] = {
        "magic_hour_api_key": [SECRET],
        "magic_hour_api_keys": {"a": {"b": SECRET}},
        "rate": SECRET,
    }
    with pytest.raises(ValidationError) as raised:
        Settings(**wrong)
    assert SECRET not in f"{raised.value!r} {raised.value}"


# --- the file -------------------------------------------------------------------------------------------------------


def test_another_file_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("rate = 5")
    assert load(tmp_path, "rate = 3", RENDERWATCH_CONFIG="other.toml").rate == 5
    assert load(tmp_path / "elsewhere", RENDERWATCH_CONFIG=str(tmp_path / "other.toml")).rate == 5


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    answer = refusal(tmp_path, RENDERWATCH_CONFIG="none.toml")
    assert answer == f"RENDERWATCH_CONFIG names {tmp_path / 'none.toml'}, and there is no such file"


def test_a_file_that_is_no_toml_is_refused_with_the_place(tmp_path: Path) -> None:
    answer = refusal(tmp_path, f"rate = 3\nmagic_hour_api_key = {SECRET}\n")
    assert "renderwatch.toml cannot be read" in answer
    assert "line 2" in answer


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "renderwatch.toml").write_bytes(b"\xff\xfe")
    assert "renderwatch.toml cannot be read" in refusal(tmp_path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path, RENDERWATCH_CONFIG=".")
