"""Checking the web process on this host."""

import http.client
from typing import Final

_TIMEOUT: Final = 5.0
_EVERY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "[::]": "::1"}  # noqa: S104  not bound, only recognized


def ask_web(host: str, port: int, path: str) -> str | None:
    """Return what is wrong with the web process at an address, or None if it is healthy."""
    host = _EVERY_ADDRESS.get(host, host.strip("[]"))
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        said = response.read(1000).decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return f"no answer from {host}:{port} ({type(error).__name__})"
    finally:
        connection.close()
    return None if response.status == http.client.OK else said or f"{host}:{port} answers {response.status}"
