"""Values in files: ``NAME_FILE`` names a file with the value of ``NAME``, as Docker and Kubernetes mount secrets."""

import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

SUFFIX: Final = "_FILE"
_LARGEST: Final = 64 * 1024


class SecretFileError(ValueError):
    """A file that cannot be used. The message names the variable and the file, never its content."""


def read_secret_files(environ: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Return an environment in which each ``NAME_FILE`` is replaced by ``NAME`` with the content of its file.

    Trailing newlines are not part of a secret. Raises SecretFileError.
    """
    values = dict(environ)
    for name in names:
        path = values.pop(name + SUFFIX, "")
        if path and values.get(name):
            raise SecretFileError(f"{name} and {name}{SUFFIX} are both set; unset one of them")
        if path:
            values[name] = _read(name + SUFFIX, Path(path))
    return values


def _read(variable: str, path: Path) -> str:
    try:
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # a folder is an error of its own
            raise SecretFileError(
                f"{variable} names {path}, which is not a regular file: several processes read it, each from its start"
            )
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(_LARGEST + 1)
    except OSError as error:
        raise SecretFileError(f"{variable} names {path}, which cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SecretFileError(f"{variable} names {path}, which is not text in UTF-8") from None
    if len(text) > _LARGEST:
        raise SecretFileError(f"{variable} names {path}, which is larger than {_LARGEST} bytes")
    if not text.strip():
        raise SecretFileError(f"{variable} names {path}, which is empty")
    return text.rstrip("\r\n")
