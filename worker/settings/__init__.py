"""Settings, from the environment, from files and from an optional renderwatch.toml, validated on reading."""

from worker.settings.environment import DEFAULT_ACCOUNT, SECRETS, SettingsError, env_name
from worker.settings.model import Settings
from worker.settings.sources import get_settings, load_settings, setting_origins

__all__ = [
    "DEFAULT_ACCOUNT",
    "SECRETS",
    "Settings",
    "SettingsError",
    "env_name",
    "get_settings",
    "load_settings",
    "setting_origins",
]
