"""Decompressing messages with a limit: a few kilobytes can expand to gigabytes.

kombu decompresses each message on receipt, before it can be inspected, and without a limit.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from kombu import compression

# The largest message, and its largest decompressed body, in bytes. It is RabbitMQ's limit too.
MOST_BYTES: Final = 16 * 1024 * 1024
TOO_LARGE: Final = f"the message is larger than {MOST_BYTES:,} bytes: send fewer projects in each"
_NOT_AS_SAID: Final = "the message cannot be read: it is not compressed as it says, or is cut off"
# By kombu's names in the header "compression". Others, which it supports with certain packages
# installed, are refused.
_UNPACKERS: Final[Mapping[str, Callable[[], Any]]] = {
    "application/x-gzip": zlib.decompressobj,
    "application/x-bz2": bz2.BZ2Decompressor,
    "application/x-lzma": lzma.LZMADecompressor,
}
_ERRORS: Final = (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError)


class UnpackError(ValueError):
    """A body that cannot be decompressed. The message says why, and what to send instead."""


def unpack(body: bytes, name: object) -> bytes:
    """Decompress a body. Raises UnpackError."""
    unpacker = _UNPACKERS.get(name) if isinstance(name, str) else None
    if unpacker is None:
        raise UnpackError("the message cannot be read: compress it with gzip, bzip2 or lzma, or not at all")
    stream = unpacker()
    try:
        unpacked: bytes = stream.decompress(body, MOST_BYTES + 1)
    except _ERRORS:
        raise UnpackError(_NOT_AS_SAID) from None
    if len(unpacked) > MOST_BYTES:
        raise UnpackError(TOO_LARGE)
    if not stream.eof:
        raise UnpackError(_NOT_AS_SAID)
    return unpacked


def register() -> None:
    """Make kombu decompress this way in this process."""
    for name in compression.encoders():
        encoder: Any = compression.get_encoder(name)  # its stub lacks the name that comes with it
        compression.register(encoder[0], partial(_unpack_for_kombu, name=name), name)


def _unpack_for_kombu(body: bytes | str, *, name: str) -> bytes:
    return unpack(body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body, name)
