"""Every setting: read from the environment and an optional renderwatch.toml, and checked when built."""

import difflib
import json
import os
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from worker.domain.allowance import Limits
from worker.domain.destination import parse_routes
from worker.domain.identifiers import is_account_name, is_api_key
from worker.domain.pricing import first_price
from worker.domain.schedule import Plan

PREFIX: Final = "RENDERWATCH_"
CONFIG_FILE: Final = "renderwatch.toml"
DEFAULT_ACCOUNT: Final = "default"
# These have names that other tools know too; all other settings carry our prefix.
_PLAIN_NAMES: Final = (
    "DATABASE_URL",
    "CELERY_BROKER_URL",
    "MAGIC_HOUR_API_KEY",
    "MAGIC_HOUR_API_KEYS",
    "MAGIC_HOUR_BASE_URL",
)
_FILE_VARIABLE: Final = "RENDERWATCH_CONFIG"
_WRITTEN_AS_JSON: Final = {"dict_type", "list_type", "tuple_type"}

Seconds = Annotated[float, Field(gt=0, le=10 * 365 * 86400)]
Gaps = Annotated[tuple[Seconds, ...], Field(max_length=20)]


class SettingsError(ValueError):
    """Settings that cannot be used. The text names each key, what is wrong with it, and a near match if any."""


class Settings(BaseModel):
    """What operators can choose. Durations are seconds; secrets do not show in the repr."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    database_url: SecretStr | None = None
    celery_broker_url: SecretStr | None = None
    magic_hour_api_key: SecretStr | None = None
    magic_hour_base_url: str = Field(default="https://api.magichour.ai", pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")
    magic_hour_api_keys: dict[str, SecretStr] = Field(default_factory=dict)

    state_dir: Path = Path(".renderwatch")
    broker_transport_options: dict[str, Any] = Field(default_factory=dict, repr=False)  # may hold passwords
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")

    routes: dict[str, list[str]] = Field(default_factory=dict)
    notify_allow: list[str] = Field(default_factory=list, max_length=100)

    rate: float = Field(default=10.0, gt=0, le=10_000)
    burst: int = Field(default=50, ge=2, le=100_000)
    request_timeout: Seconds = 15.0
    check_concurrency: int = Field(default=16, ge=1, le=256)
    transport: Literal["auto", "requests", "curl"] = "auto"
    batch_size: int = Field(default=50, ge=1, le=1000)
    max_in_flight: int = Field(default=2000, ge=1, le=1_000_000)
    lease_seconds: Seconds = 60.0
    dispatch_every: Seconds = 1.0
    sweep_every: Seconds = 10.0
    learn_every: Seconds = 60.0
    watchdog_after: Seconds = 300.0
    upkeep_every: Seconds = 600.0
    retention: Annotated[float, Field(ge=86400, le=100 * 365 * 86400)] | None = None
    delivery_give_up_after: Seconds = 86400.0

    web_host: str = Field(default="127.0.0.1", min_length=1, max_length=255)
    web_port: int = Field(default=8321, ge=0, le=65535)
    web_rate: float = Field(default=100.0, gt=0, le=100_000)
    web_burst: int = Field(default=2000, ge=1, le=1_000_000)
    web_longest_body: int = Field(default=4 * 1024 * 1024, ge=1024, le=256 * 1024 * 1024)
    web_session_seconds: Seconds = 12 * 3600.0

    target_detection_delay: Annotated[float, Field(ge=0.5, le=600)] = Plan.target
    least_gap: Seconds = Plan.least_gap
    greatest_gap: Seconds = Plan.greatest_gap
    settle_gaps: Gaps = Plan.settle_gaps
    refund_gaps: Gaps = Plan.refund_gaps
    stalled_after: Seconds = Plan.stalled_after
    give_up_after: Seconds = Plan.give_up_after

    @field_validator("routes", mode="before")
    @classmethod
    def _routes_exist(cls, value: object) -> dict[str, list[str]]:
        return parse_routes(value)

    @field_validator("magic_hour_api_key")
    @classmethod
    def _key_can_be_sent(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not is_api_key(value.get_secret_value()):
            raise ValueError("the key is empty, or has spaces, line breaks or characters that no key has")
        return value

    @field_validator("magic_hour_api_keys")
    @classmethod
    def _accounts_have_names_and_keys(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, key in value.items():
            if not is_account_name(name):
                raise ValueError("an account's name is 1 to 63 lower-case letters, digits, - and _")
            if not is_api_key(key.get_secret_value()):
                raise ValueError(
                    f"the key of {name!r} is empty, or has spaces, line breaks or characters that no key has"
                )
        return value

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.lease_seconds < 2 * self.request_timeout:
            raise ValueError("lease_seconds must be at least twice request_timeout, or checks outlive their lease")
        if self.least_gap > self.greatest_gap:
            raise ValueError("least_gap must not be greater than greatest_gap")
        if self.magic_hour_api_key and DEFAULT_ACCOUNT in self.magic_hour_api_keys:
            raise ValueError(
                f"the account {DEFAULT_ACCOUNT!r} has two keys: in MAGIC_HOUR_API_KEY and in MAGIC_HOUR_API_KEYS"
            )
        return self

    @property
    def plan(self) -> Plan:
        """The numbers of the check schedule."""
        return Plan(
            target=self.target_detection_delay,
            price=first_price(self.target_detection_delay),
            least_gap=self.least_gap,
            greatest_gap=self.greatest_gap,
            settle_gaps=self.settle_gaps,
            refund_gaps=self.refund_gaps,
            stalled_after=self.stalled_after,
            give_up_after=self.give_up_after,
        )

    @property
    def limits(self) -> Limits:
        """How many requests an account may send."""
        return Limits(self.rate, self.burst)

    @property
    def database(self) -> str:
        """The database URL, with its password: an SQLite file in the state folder unless set."""
        if self.database_url:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.state_dir.absolute() / 'renderwatch.db'}"

    @property
    def broker(self) -> str:
        """The broker URL, with its password."""
        if self.celery_broker_url:
            return self.celery_broker_url.get_secret_value()
        return "redis://127.0.0.1:6379/0"

    @property
    def accounts(self) -> dict[str, SecretStr]:
        """The accounts we can ask for, and their keys."""
        keys = dict(self.magic_hour_api_keys)
        if self.magic_hour_api_key:
            keys[DEFAULT_ACCOUNT] = self.magic_hour_api_key
        return keys


def env_name(field: str) -> str:
    """Return the environment variable of a setting."""
    name = field.upper()
    return name if name in _PLAIN_NAMES else PREFIX + name


def load_settings(environ: Mapping[str, str], directory: Path) -> Settings:
    """Build the settings from an environment and the renderwatch.toml in a directory; the environment wins.

    Raises SettingsError when a value is wrong or a key is unknown.
    """
    chosen = environ.get(_FILE_VARIABLE, "")
    values = _from_file(directory / (chosen or CONFIG_FILE), required=bool(chosen))
    values |= _from_environment(environ)
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingsError("; ".join(map(_explain, error.errors(include_url=False)))) from None


def setting_origins(environ: Mapping[str, str], directory: Path) -> dict[str, str]:
    """Return where each setting comes from: a variable of the environment, the file, or its default."""
    chosen = environ.get(_FILE_VARIABLE, "")
    path = directory / (chosen or CONFIG_FILE)
    in_file = _from_file(path, required=bool(chosen))
    origins = {}
    for name in Settings.model_fields:
        variable = env_name(name)
        origins[name] = variable if environ.get(variable) else path.name if name in in_file else "default"
    return origins


@cache
def get_settings() -> Settings:
    """Return this process's settings, read once. Raises SettingsError."""
    return load_settings(os.environ, Path.cwd())


def _from_file(path: Path, *, required: bool) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if required:
            raise SettingsError(f"{_FILE_VARIABLE} names {path}, and there is no such file") from None
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    for key in values:
        if key not in Settings.model_fields:
            raise SettingsError(f"{path.name}: there is no setting {key!r}{_hint(key, str)}")
    return values


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    names = {env_name(field): field for field in Settings.model_fields}
    for key in environ:
        if key.startswith(PREFIX) and key not in names and key != _FILE_VARIABLE:
            raise SettingsError(f"there is no setting {key}{_hint(key.removeprefix(PREFIX).lower(), env_name)}")
    return {field: _value(name, environ[name]) for name, field in names.items() if environ.get(name, "") != ""}


def _value(name: str, text: str) -> Any:  # noqa: ANN401  whatever JSON holds; the model checks it
    # Lists and objects are written as JSON; everything else is taken as it is.
    if not text.lstrip().startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{name} is not valid JSON: {error}") from None


def _hint(field: str, name: Callable[[str], str]) -> str:
    near = difflib.get_close_matches(field, Settings.model_fields, n=1)
    return f"; did you mean {name(near[0])}?" if near else ""


def _explain(error: Mapping[str, Any]) -> str:
    where = [str(part) for part in error["loc"]]
    key = ".".join([env_name(where[0]), *where[1:]]) if where else "settings"
    hint = ", written as JSON" if error["type"] in _WRITTEN_AS_JSON else ""
    return f"{key}: {error['msg'].removeprefix('Value error, ')}{hint}"
