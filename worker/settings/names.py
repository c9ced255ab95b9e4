"""Names of settings: unknown ones are refused with the closest match, those of other programs are ignored."""

import difflib
import re
from collections.abc import Callable, Collection, Mapping
from typing import Final

from worker.settings.environment import FROM_FILES, PLAIN_NAMES, PREFIX, SettingsError, env_name
from worker.settings.model import Settings
from worker.settings.secret_files import SUFFIX

# Kubernetes gives every container these for each Service of its namespace; a Service may be called renderwatch.
_SERVICE: Final = re.compile(
    r".+_SERVICE_HOST|.+_SERVICE_PORT(_[A-Z0-9_]+)?|.+_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?"
)
_SERVICE_PORT: Final = re.compile(r"(tcp|udp|sctp)://\S+:\d+")
# Docker's links add these too: the link's name, and the other container's variables.
_LINK_NAME: Final = re.compile(r"/\S+/\S+")
# Read by worker.client.
_CLIENTS: Final = frozenset({"RENDERWATCH_URL", "RENDERWATCH_TOKEN"})
# Other names that people give to these settings.
_ALIASES: Final = {
    "BROKER_URL": "CELERY_BROKER_URL",
    "CELERY_BROKER": "CELERY_BROKER_URL",
    "CELERY_URL": "CELERY_BROKER_URL",
    "DB_URI": "DATABASE_URL",
    "DB_URL": "DATABASE_URL",
    "MAGIC_HOUR_API_BASE_URL": "MAGIC_HOUR_BASE_URL",
    "MAGIC_HOUR_API_TOKEN": "MAGIC_HOUR_API_KEY",
    "MAGIC_HOUR_API_URL": "MAGIC_HOUR_BASE_URL",
    "MAGIC_HOUR_KEY": "MAGIC_HOUR_API_KEY",
    "MAGIC_HOUR_KEYS": "MAGIC_HOUR_API_KEYS",
    "MAGIC_HOUR_TOKEN": "MAGIC_HOUR_API_KEY",
    "MAGIC_HOUR_URL": "MAGIC_HOUR_BASE_URL",
}
_FILE_SUFFIXES: Final = ("_PATH", "_FILENAME")
# A typing error: transposed letters, one too many or too few, or two such errors in a long name.
_SLIPS: Final = 2
# The least similarity of a setting that is suggested: RAET resembles RATE, but TEST does not resemble ROUTES.
_ALIKE: Final = 0.7


def without_services(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without the variables that Kubernetes adds for Services, and Docker for links."""
    return {name: value for name, value in environ.items() if not _is_service(name, value)}


def _is_service(name: str, value: str) -> bool:
    if name.endswith("_PORT") and _SERVICE_PORT.fullmatch(value):
        return True
    if name.startswith(f"{PREFIX}ENV_") or (name.endswith("_NAME") and _LINK_NAME.fullmatch(value)):
        return True
    return _SERVICE.fullmatch(name) is not None


def check_key(key: str, file: str) -> None:
    """Refuse an unknown key of a settings file. Raises SettingsError."""
    if key not in Settings.model_fields:
        plain = key.lower().removeprefix(PREFIX.lower())
        hint = f"; write it as {plain}" if plain in Settings.model_fields else _hint(plain, str)
        if key.lower() == PREFIX.lower().rstrip("_"):
            hint = "; settings are at the top level of the file, not in a table"
        raise SettingsError(f"{file}: there is no setting {key!r}{hint}")


def check_names(environ: Mapping[str, str], set_elsewhere: Collection[str]) -> None:
    """Refuse variables that are meant for us but are not settings.

    Those with our prefix are meant for us. So is a name that looks like a misspelling of one of ours, or is another
    common name for it, unless that one is set too, because then it belongs to another program. Raises SettingsError.
    """
    files = {env_name(field) + SUFFIX for field in FROM_FILES}
    known = {env_name(field) for field in Settings.model_fields} | files | _CLIENTS | set(set_elsewhere)
    for name in environ.keys() - known:
        if name.startswith(PREFIX):
            raise SettingsError(f"there is no setting {name}{_hint(name.removeprefix(PREFIX).lower(), env_name)}")
    plain = {*PLAIN_NAMES, *(name for name in files if not name.startswith(PREFIX))}
    missing = {name for name in plain if not _is_set(name.removesuffix(SUFFIX), environ, set_elsewhere)}
    for name in sorted(environ.keys() - known):
        meant = _meant(name, plain)
        if environ[name] and meant in missing and _could_be(meant, environ[name]):
            raise SettingsError(f"there is no setting {name}; did you mean {meant}?")


def _is_set(name: str, environ: Mapping[str, str], set_elsewhere: Collection[str]) -> bool:
    return bool(environ.get(name) or environ.get(name + SUFFIX)) or name in set_elsewhere


def _meant(name: str, candidates: Collection[str]) -> str | None:
    for suffix in _FILE_SUFFIXES:
        if name.upper().endswith(suffix):
            name = name[: -len(suffix)] + SUFFIX
    base = name.upper().removesuffix(SUFFIX)
    if base in _ALIASES:
        return _ALIASES[base] + name.upper().removeprefix(base)
    distances = {each: _slips(name.upper(), each) for each in candidates if abs(len(each) - len(name)) <= _SLIPS}
    near = min(distances, key=lambda each: (distances[each], each), default=None)
    return near if near is not None and distances[near] <= _SLIPS else None


def _could_be(name: str, value: str) -> bool:
    """Whether a value is possible for the setting: a database that we do not support belongs to another program."""
    if name == "DATABASE_URL":
        return value.startswith(("postgres", "sqlite"))
    return "://" in value if name.endswith("_URL") else True


def _slips(one: str, other: str) -> int:
    """Count insertions, deletions, replacements and transpositions of letters (optimal string alignment)."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, wanted in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]


def _hint(field: str, name: Callable[[str], str]) -> str:
    near = difflib.get_close_matches(field, Settings.model_fields, n=1, cutoff=_ALIKE)
    near = near or [each for each in Settings.model_fields if each.endswith(f"_{field}")][:1]
    return f"; did you mean {name(near[0])}?" if near else ""
