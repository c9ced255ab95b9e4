"""An event loop for libcurl's multi interface: it watches sockets, so that no call iterates over all transfers."""

import contextlib
import selectors
import time
from collections.abc import Iterator
from typing import Final

import pycurl

# libcurl sets its own timers; this is the limit if it sets none.
_LONGEST_WAIT: Final = 1.0


class Loop:
    """Runs transfers in the calling thread. Up to ``connections`` connections stay open for later ones.

    ``pycurl``'s own ``select`` cannot watch sockets with numbers over 1,023, and costs more the more sockets there are.
    """

    def __init__(self, connections: int) -> None:
        """Make an empty loop."""
        self._selector = selectors.DefaultSelector()
        self._call_at: float | None = None
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self._multi.setopt(pycurl.M_MAXCONNECTS, connections)
        self._multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, connections)
        self._multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, connections)

    def add(self, curl: pycurl.Curl) -> None:
        """Start a transfer on the next turn."""
        self._multi.add_handle(curl)

    def remove(self, curl: pycurl.Curl) -> None:
        """Remove a transfer; if it has not ended, its connection is closed."""
        self._multi.remove_handle(curl)

    def turn(self) -> None:
        """Wait for events and process them."""
        wait = _LONGEST_WAIT if self._call_at is None else max(0.0, self._call_at - time.monotonic())
        for key, events in self._selector.select(min(wait, _LONGEST_WAIT)):
            self._multi.socket_action(key.fd, events)  # both use the same bits
        if self._call_at is not None and self._call_at <= time.monotonic():
            self._call_at = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)

    def ended(self) -> Iterator[tuple[pycurl.Curl, int, str]]:
        """Remove and yield ended transfers with libcurl's error code (0: none) and message."""
        left = 1
        while left:
            left, good, bad = self._multi.info_read()
            for curl, code, words in (*((each, pycurl.E_OK, "") for each in good), *bad):
                self._multi.remove_handle(curl)
                yield curl, code, words

    def close(self) -> None:
        """Close the connections. All transfers must have been removed."""
        self._multi.close()
        self._selector.close()

    def _watch(self, what: int, socket: int, *_: object) -> None:
        if what == pycurl.POLL_REMOVE:
            with contextlib.suppress(KeyError):
                self._selector.unregister(socket)
        elif socket in self._selector.get_map():
            self._selector.modify(socket, what)
        else:
            self._selector.register(socket, what)

    def _set_timer(self, milliseconds: int) -> None:
        self._call_at = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000
