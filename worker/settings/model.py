"""All settings, with defaults and limits."""

import ipaddress
import re
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator

from worker.domain.deliveries.destination import parse_routes
from worker.domain.intake.identifiers import is_account_name
from worker.domain.scheduling.rate_limit import Limits
from worker.domain.scheduling.schedule import Plan
from worker.settings import webhooks
from worker.settings.broker_urls import broker_url, check_brokers, named_brokers
from worker.settings.database_urls import database_url, sqlite_url, with_search_path
from worker.settings.environment import DEFAULT_ACCOUNT
from worker.settings.urls import api_url
from worker.settings.values import api_key, root_path, web_host

_LEVELS: Final = {"WARN": "WARNING", "CRITICAL": "ERROR", "FATAL": "ERROR"}
_SCHEMA: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")

Seconds = Annotated[float, Field(gt=0, le=10 * 365 * 86400)]
Gaps = Annotated[tuple[Seconds, ...], Field(max_length=20)]


class Settings(BaseModel):
    """The settings. Durations are seconds; the repr shows no secrets."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    database_url: SecretStr | None = None
    # The PostgreSQL schema of our tables; by default the first one of the search_path.
    database_schema: str | None = None
    celery_broker_url: SecretStr | None = None
    magic_hour_api_key: SecretStr | None = None
    magic_hour_base_url: str = "https://api.magichour.ai"
    magic_hour_api_keys: dict[str, SecretStr] = Field(default_factory=dict)

    # Of other applications, by the names that destinations have: celery+NAME:task.
    brokers: dict[str, SecretStr] = Field(default_factory=dict, max_length=20)

    state_dir: Path = Path(".renderwatch")
    broker_transport_options: dict[str, Any] = Field(default_factory=dict, repr=False)  # may contain passwords
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["auto", "text", "json"] = "auto"

    # By account; two while Magic Hour changes from one to the other.
    magic_hour_webhook_secrets: webhooks.IncomingSecrets = Field(default_factory=dict, max_length=500)
    track_from_webhooks: bool = False

    routes: dict[str, list[str]] = Field(default_factory=dict)
    notify_allow: webhooks.Patterns = Field(default_factory=list, max_length=100)

    rate: float = Field(default=10.0, gt=0, le=10_000)
    burst: int = Field(default=50, ge=2, le=100_000)
    request_timeout: Seconds = 15.0
    check_concurrency: int = Field(default=1000, ge=1, le=1000)
    transport: Literal["auto", "requests", "curl"] = "auto"
    batch_size: int = Field(default=1000, ge=1, le=1000)
    max_in_flight: int = Field(default=10_000, ge=1, le=1_000_000)
    lease_seconds: Seconds = 60.0
    dispatch_every: Seconds = 1.0
    sweep_every: Seconds = 10.0
    learn_every: Seconds = 60.0
    watchdog_after: Seconds = 300.0
    upkeep_every: Seconds = 600.0
    retention: Annotated[float, Field(ge=86400, le=100 * 365 * 86400)] | None = None
    rejected_retention: Annotated[float, Field(ge=3600, le=100 * 365 * 86400)] = 30 * 86400.0
    delivery_give_up_after: Seconds = 86400.0
    # By pattern of URLs; two while a consumer changes from one to the other.
    webhook_secrets: webhooks.Secrets = Field(default_factory=dict, max_length=1000)
    webhook_timeout: Annotated[float, Field(gt=0, le=25)] = 15.0  # a lease is longer than two of them
    webhook_allow_http: bool = False
    webhook_allow_networks: webhooks.Networks = Field(default_factory=list, max_length=100)

    web_host: str = Field(default="127.0.0.1", min_length=1, max_length=255)
    web_port: int = Field(default=8321, ge=0, le=65535)
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    web_rate: float = Field(default=100.0, gt=0, le=100_000)
    web_burst: int = Field(default=2000, ge=1, le=1_000_000)
    web_longest_body: int = Field(default=4 * 1024 * 1024, ge=1024, le=256 * 1024 * 1024)
    web_access_log: bool = False
    web_session_seconds: Seconds = 12 * 3600.0
    web_trusted_proxies: list[str] = Field(default_factory=list, max_length=100)
    web_root_path: str = Field(default="", max_length=200)

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
        return parse_routes(value, filters=True)

    @field_validator("database_url")
    @classmethod
    def _database_url_can_be_read(cls, value: SecretStr | None) -> SecretStr | None:
        return value and SecretStr(database_url(value.get_secret_value()))

    @field_validator("database_schema")
    @classmethod
    def _schema_has_a_plain_name(cls, value: str | None) -> str | None:
        if value is not None and (not _SCHEMA.fullmatch(value) or value.startswith("pg_")):
            raise ValueError(
                "a schema name has 1 to 63 lower-case letters, digits and _, and does not start with a digit or pg_"
            )
        return value

    @field_validator("celery_broker_url")
    @classmethod
    def _broker_url_can_be_read(cls, value: SecretStr | None) -> SecretStr | None:
        return value and SecretStr(broker_url(value.get_secret_value()))

    @field_validator("brokers")
    @classmethod
    def _brokers_have_names_and_urls(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        return named_brokers(value)

    @field_validator("magic_hour_base_url")
    @classmethod
    def _base_url_can_be_read(cls, value: str) -> str:
        return api_url(value)

    @field_validator("web_trusted_proxies", mode="before")
    @classmethod
    def _proxies_may_be_joined_by_commas(cls, value: object) -> object:
        return [each for each in re.split(r"[,\s]+", value) if each] if isinstance(value, str) else value

    @field_validator("web_trusted_proxies")
    @classmethod
    def _proxies_are_addresses(cls, value: list[str]) -> list[str]:
        for each in value:
            try:
                ipaddress.ip_network(each, strict=False)
            except ValueError:
                raise ValueError(f"{each[:100]!r} is not an address or network; write 10.0.0.5 or 10.0.0.0/8") from None
        return value

    @field_validator("log_level", "log_format", "transport", mode="before")
    @classmethod
    def _case_does_not_matter(cls, value: object, info: ValidationInfo) -> object:
        if not isinstance(value, str):
            return value
        value = value.strip()
        return _LEVELS.get(value.upper(), value.upper()) if info.field_name == "log_level" else value.lower()

    @field_validator("web_host")
    @classmethod
    def _web_host_is_an_address_or_a_name(cls, value: str) -> str:
        return web_host(value)

    @field_validator("state_dir")
    @classmethod
    def _state_dir_is_a_path(cls, value: Path) -> Path:
        if re.match(r"~|\$", str(value)):
            raise ValueError("~ and variables are not expanded; write the whole path")
        return value

    @field_validator("web_root_path")
    @classmethod
    def _root_path_has_no_slash_at_the_end(cls, value: str) -> str:
        return root_path(value)

    @field_validator("magic_hour_api_key")
    @classmethod
    def _key_can_be_sent(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        return SecretStr(api_key("the key", value.get_secret_value()))

    @field_validator("magic_hour_api_keys")
    @classmethod
    def _accounts_have_names_and_keys(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        if not all(map(is_account_name, value)):
            raise ValueError("an account name has 1 to 63 lower-case letters, digits, - and _")
        return {name: SecretStr(api_key(f"the key of {name!r}", key.get_secret_value())) for name, key in value.items()}

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
        check_brokers(chain.from_iterable(self.routes.values()), self.brokers)
        webhooks.check_webhooks(
            chain.from_iterable(self.routes.values()),
            self.notify_allow,
            self.webhook_secrets,
            allow_http=self.webhook_allow_http,
        )
        if self.database_schema:
            with_search_path(self.database_url.get_secret_value() if self.database_url else "", self.database_schema)
        return self

    @property
    def plan(self) -> Plan:
        """The parameters of the check schedule."""
        return Plan(
            target=self.target_detection_delay,
            least_gap=self.least_gap,
            greatest_gap=self.greatest_gap,
            settle_gaps=self.settle_gaps,
            refund_gaps=self.refund_gaps,
            stalled_after=self.stalled_after,
            give_up_after=self.give_up_after,
        )

    @property
    def limits(self) -> Limits:
        """The rate limit of an account."""
        return Limits(self.rate, self.burst)

    @property
    def database(self) -> str:
        """The database URL, with its password: an SQLite file in the state folder unless set."""
        if not self.database_url:
            return sqlite_url(self.state_dir / "renderwatch.db")
        url = self.database_url.get_secret_value()
        return with_search_path(url, self.database_schema) if self.database_schema else url

    @property
    def broker(self) -> str:
        """The broker URL, with its password."""
        if self.celery_broker_url:
            return self.celery_broker_url.get_secret_value()
        return "redis://127.0.0.1:6379/0"

    @property
    def accounts(self) -> dict[str, SecretStr]:
        """The accounts with a key, and their keys."""
        keys = dict(self.magic_hour_api_keys)
        if self.magic_hour_api_key:
            keys[DEFAULT_ACCOUNT] = self.magic_hour_api_key
        return keys
