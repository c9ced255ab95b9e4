"""Behind a reverse proxy: trusted forwarded headers, and the path under which we are served.

Forwarded headers count only from addresses in the settings: any client of this port could otherwise pose as another
client. Inside, paths have no prefix; it is added to every redirect here, and to every link in rendered pages.
"""

import ipaddress
import logging
from collections.abc import Sequence
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from worker.domain.log_events import event

_LOG: Final = logging.getLogger("renderwatch.web")
_FORWARDED: Final = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host")
_MOST_WARNINGS: Final = 20
# Not ASGI's own root_path: by that, Starlette puts it into the paths of requests.
_ROOT_PATH: Final = "renderwatch.root_path"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Proxied:
    """ASGI middleware, outside of everything else."""

    def __init__(self, app: ASGIApp, trusted: Sequence[str], root_path: str) -> None:
        """Trust the proxies at the ``trusted`` addresses and networks. ``root_path`` is empty or ``/some/path``."""
        self._app = app
        self._trusted = [ipaddress.ip_network(each, strict=False) for each in trusted]
        self._root_path = root_path
        self._warned: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on as the client sent it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = {**scope, "path": without_root_path(scope["path"], self._root_path), _ROOT_PATH: self._root_path}
        self._apply_forwarded(scope)
        await self._app(scope, receive, _with_root_path(send, self._root_path) if self._root_path else send)

    def _apply_forwarded(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if not any(name in headers for name in _FORWARDED):
            return
        peer = (scope.get("client") or ("", 0))[0]
        if not self._is_trusted(peer):
            self._warn(peer)
            return
        if client := self._client(headers.getlist("x-forwarded-for")):
            scope["client"] = (client, 0)
        scheme = _first(headers, "x-forwarded-proto").lower()
        if scheme in ("http", "https"):
            scope["scheme"] = scheme
        if host := _first(headers, "x-forwarded-host"):
            kept = [(name, value) for name, value in scope["headers"] if name != b"host"]
            scope["headers"] = [(b"host", host.encode("latin-1")), *kept]

    def _client(self, forwarded_for: list[str]) -> str | None:
        """Return the nearest address that is not a trusted proxy: the client may have invented those before it."""
        client = None
        for text in reversed(",".join(forwarded_for).split(",")):
            address = _address(text)
            if address is None:
                break
            client = str(address)
            if not self._is_trusted(client):
                break
        return client

    def _is_trusted(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._trusted)

    def _warn(self, peer: str) -> None:
        if peer not in self._warned and len(self._warned) < _MOST_WARNINGS:
            self._warned.add(peer)
            _LOG.warning(
                "forwarded headers from %s are ignored; if it is a proxy of yours, set RENDERWATCH_WEB_TRUSTED_PROXIES",
                peer or "an unknown address",
                extra=event("proxy_not_trusted", address=peer),
            )


def root_path_of(scope: Scope) -> str:
    """Return the path under which browsers see us: empty, or ``/some/path``."""
    return str(scope.get(_ROOT_PATH, ""))


def without_root_path(path: str, root_path: str) -> str:
    """Return a path without the prefix, whether or not the proxy has removed it."""
    if root_path and (path == root_path or path.startswith(root_path + "/")):
        return path.removeprefix(root_path) or "/"
    return path


def _with_root_path(send: Send, root_path: str) -> Send:
    async def redirected(message: Any) -> None:  # noqa: ANN401  as ASGI types it
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            location = headers.get("location", "")
            if location.startswith("/") and not location.startswith("//"):
                headers["location"] = root_path + location
        await send(message)

    return redirected


def _first(headers: Headers, name: str) -> str:
    return headers.get(name, "").partition(",")[0].strip()


def _address(text: str) -> Address | None:
    """Return the address of ``10.0.0.1``, ``10.0.0.1:80``, ``::1`` or ``[::1]:80``; None for anything else."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
