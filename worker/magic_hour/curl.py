"""Sending through libcurl, for the optional extra ``renderwatch[fast]``: one thread for hundreds of requests."""

import math
import time
from collections import deque
from collections.abc import Sequence
from contextlib import closing
from typing import Final

import pycurl

from worker.magic_hour.concurrency import Concurrency
from worker.magic_hour.curl_loop import Loop
from worker.magic_hour.curl_transfer import Held, Transfer
from worker.magic_hour.sender import ApiConfig, OnOutcome, Outcome, Reply


class CurlSender:
    """Sends requests through libcurl's multi interface: all requests of a call run concurrently in one thread.

    A loop with its connections belongs to one thread while it sends, and is then free for others.
    """

    def __init__(self, config: ApiConfig) -> None:
        """Do not connect yet."""
        self._config = config
        self._idle: Final[deque[_Requests]] = deque(maxlen=1)

    def get(self, path: str) -> Reply:
        """Send a request once and read the response."""
        outcomes: list[Outcome] = []
        self.get_all([path], math.inf, lambda _, outcome, __: outcomes.append(outcome))
        (outcome,) = outcomes
        if isinstance(outcome, Reply):
            return outcome
        raise outcome

    def get_all(self, paths: Sequence[str], latest_start: float, on_outcome: OnOutcome) -> None:
        """Send a request for each path once, and report each outcome as it comes."""
        try:
            running = self._idle.pop()
        except IndexError:
            running = _Requests(self._config)
        try:
            running.get_all(paths, latest_start, on_outcome)
        except BaseException:
            running.close()
            raise
        if self._idle:  # another thread has returned its own
            running.close()
        else:
            self._idle.append(running)

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()


class _Requests:
    """Running transfers, reusable transfers, and the loop that drives them."""

    def __init__(self, config: ApiConfig) -> None:
        self._config = config
        self._held = Held()
        self._loop = Loop(config.connections)
        self._idle: list[Transfer] = []
        self._running: dict[pycurl.Curl, Transfer] = {}
        self._concurrency = Concurrency(aim=0.1, fewest=50, at_first=200, most=config.connections)

    def get_all(self, paths: Sequence[str], latest_start: float, on_outcome: OnOutcome) -> None:
        waiting = deque(enumerate(paths))
        most, count, spent = self._concurrency.of(len(paths)), 0, 0.0
        while self._fill(waiting, most, latest_start):
            self._loop.turn()
            for curl, code, words in self._loop.ended():
                transfer = self._running.pop(curl)
                outcome = transfer.outcome(code, words)
                seconds = curl.getinfo(pycurl.TOTAL_TIME)
                self._idle.append(transfer)
                count, spent = count + 1, spent + seconds
                on_outcome(transfer.position, outcome, seconds)
        self._concurrency.observe(count, spent)

    def _fill(self, waiting: deque[tuple[int, str]], most: int, latest_start: float) -> bool:
        """Start as many as allowed; return whether any are running. Waiting does not count against time-outs."""
        while waiting and len(self._running) < most:
            if time.monotonic() > latest_start:
                waiting.clear()
                break
            position, path = waiting.popleft()
            transfer = self._idle.pop() if self._idle else Transfer(self._config, self._held)
            self._running[transfer.curl] = transfer
            transfer.prepare(position, path)
            self._loop.add(transfer.curl)
        return bool(self._running)

    def close(self) -> None:
        """Abort running transfers and close the connections."""
        with closing(self._loop):
            for curl in self._running:
                self._loop.remove(curl)
        for transfer in (*self._running.values(), *self._idle):
            transfer.curl.close()
        self._running.clear()
        self._idle.clear()
