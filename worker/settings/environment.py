"""The environment variables of settings: their names, and which may be read from files."""

from typing import Final

PREFIX: Final = "RENDERWATCH_"
DEFAULT_ACCOUNT: Final = "default"
# These have names that other tools use too; all other settings have our prefix.
PLAIN_NAMES: Final = (
    "DATABASE_URL",
    "CELERY_BROKER_URL",
    "MAGIC_HOUR_API_KEY",
    "MAGIC_HOUR_API_KEYS",
    "MAGIC_HOUR_BASE_URL",
)
SECRETS: Final = (
    "database_url",
    "celery_broker_url",
    "magic_hour_api_key",
    "magic_hour_api_keys",
    "broker_transport_options",
    "webhook_secrets",
    "magic_hour_webhook_secrets",
    "brokers",
)
# Each can also be read from a file: DATABASE_URL_FILE and so on.
FROM_FILES: Final = (*SECRETS, "magic_hour_base_url")


class SettingsError(ValueError):
    """Invalid settings. The message names each key, what is wrong with it, and the closest match if any."""


def env_name(field: str) -> str:
    """Return the environment variable of a setting."""
    name = field.upper()
    return name if name in PLAIN_NAMES else PREFIX + name
