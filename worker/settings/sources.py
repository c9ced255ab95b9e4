"""The sources of settings: variables, files named by variables, and renderwatch.toml."""

import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, get_origin

from pydantic import ValidationError

from worker.domain.deliveries.webhook_url import shown
from worker.domain.intake.bounded_json import RepeatedKeyError, unique_keys
from worker.settings.environment import FROM_FILES, SettingsError, env_name
from worker.settings.model import Settings
from worker.settings.names import check_key, check_names, without_services
from worker.settings.secret_files import SUFFIX, SecretFileError, read_secret_files

CONFIG_FILE: Final = "renderwatch.toml"
CONFIG_VARIABLE: Final = "RENDERWATCH_CONFIG"
_SENTENCES: Final = {
    "dict_type": """an object, written as JSON: {"name": "value"}""",
    "list_type": """a list, written as JSON: ["one", "two"]""",
    "tuple_type": "a list, written as JSON: [30, 120]",
    "finite_number": "it must be a finite number",
}
_COLLECTIONS: Final = frozenset(
    name for name, field in Settings.model_fields.items() if get_origin(field.annotation) in {dict, list, tuple}
)


def load_settings(environ: Mapping[str, str], directory: Path) -> Settings:
    """Build the settings from an environment and the renderwatch.toml in a directory; the environment wins.

    Raises SettingsError when a value is wrong or a key is unknown.
    """
    chosen = environ.get(CONFIG_VARIABLE, "")
    values = _from_file(directory / (chosen or CONFIG_FILE), required=bool(chosen))
    values |= _from_environment(environ, values.keys())
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingsError("; ".join(map(_explain, error.errors(include_url=False)))) from None


def setting_origins(environ: Mapping[str, str], directory: Path) -> dict[str, str]:
    """Return the source of each setting: an environment variable, the file, or its default."""
    chosen = environ.get(CONFIG_VARIABLE, "")
    path = directory / (chosen or CONFIG_FILE)
    in_file = _from_file(path, required=bool(chosen))
    environ = without_services(environ)
    origins = {}
    for name in Settings.model_fields:
        variables = [env_name(name), *([env_name(name) + SUFFIX] if name in FROM_FILES else [])]
        given = next(filter(environ.get, variables), None)
        origins[name] = given or (path.name if name in in_file else "default")
    return origins


@cache
def get_settings() -> Settings:
    """Return this process's settings, read once. Raises SettingsError."""
    return load_settings(os.environ, Path.cwd())


def _from_file(path: Path, *, required: bool) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        if required:
            raise SettingsError(f"{CONFIG_VARIABLE} names {path}, and there is no such file") from None
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    for key in values:
        check_key(key, path.name)
    return values


def _from_environment(environ: Mapping[str, str], in_file: Iterable[str]) -> dict[str, Any]:
    environ = without_services(environ)
    check_names(environ, {env_name(field) for field in in_file} | {CONFIG_VARIABLE})
    try:
        environ = read_secret_files(environ, map(env_name, FROM_FILES))
    except SecretFileError as error:
        raise SettingsError(str(error)) from None
    names = {env_name(field): field for field in Settings.model_fields}
    return {field: _value(name, field, environ[name]) for name, field in names.items() if environ.get(name, "") != ""}


def _value(name: str, field: str, text: str) -> Any:  # noqa: ANN401  whatever JSON holds; the model checks it
    # Lists and objects are JSON; everything else is used unchanged.
    if field not in _COLLECTIONS or not text.lstrip().startswith(("[", "{")):
        return text
    try:
        return json.loads(text, object_pairs_hook=unique_keys)
    except RepeatedKeyError as error:
        raise SettingsError(
            f"{name}: {shown(error.key)} occurs twice as a key of one object; keep one of them"
        ) from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{name} is not valid JSON: {error}") from None


def _explain(error: Mapping[str, Any]) -> str:
    where = [str(part) for part in error["loc"]]
    key = ".".join([env_name(where[0]), *where[1:]]) if where else "settings"
    return f"{key}: {_SENTENCES.get(error['type']) or error['msg'].removeprefix('Value error, ')}"
