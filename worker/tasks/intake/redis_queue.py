"""The intake queue on Redis, read so that a killed worker loses nothing.

kombu removes a message from its list, then records it elsewhere; in between it is nowhere. Here each message moves
from the queue's list to a list of this consumer, atomically, and stays until it is stored. Messages of a consumer that
is gone return to the queue: at once when a worker of the same name starts, otherwise after a minute.
"""

import contextlib
import time
import uuid
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

import redis
from kombu import Connection, Queue
from redis.exceptions import OutOfMemoryError

from worker.tasks.brokers.compression import MOST_BYTES

_T = TypeVar("_T")
MOST_MESSAGES: Final = 500
# Bytes of all messages of a batch; the message that exceeds it is the last.
_MOST_BATCH: Final = 8 * 1024 * 1024
_WAIT: Final = 1.0
_SILENT: Final = 60
# Move messages to our list (the last key but one), record the time under our name, and return the list.
_TAKE: Final = """
local held, holders = KEYS[#KEYS - 1], KEYS[#KEYS]
local count, bytes = redis.call('LLEN', held), 0
for i = 1, #KEYS - 2 do
  while count < tonumber(ARGV[1]) and bytes < tonumber(ARGV[2]) do
    local item = redis.call('LMOVE', KEYS[i], held, 'RIGHT', 'RIGHT')
    if not item then break end
    count, bytes = count + 1, bytes + #item
  end
end
redis.call('ZADD', holders, redis.call('TIME')[1], ARGV[4])
local items = redis.call('LRANGE', held, 0, -1)
for i, item in ipairs(items) do items[i] = string.sub(item, 1, tonumber(ARGV[3])) end
return items
"""
# Return messages held by others: those with our worker's name, and those silent for too long.
_GIVE_BACK: Final = """
local queue, holders, ours, prefix = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local silent_since, moved = tonumber(redis.call('TIME')[1]) - tonumber(ARGV[4]), 0
local found = redis.call('ZRANGE', holders, 0, -1, 'WITHSCORES')
for i = 1, #found, 2 do
  local name = found[i]
  local same = prefix ~= '' and string.sub(name, 1, #prefix) == prefix
  if name ~= ours and (same or tonumber(found[i + 1]) < silent_since) then
    while redis.call('LMOVE', ARGV[3] .. name, queue, 'RIGHT', 'RIGHT') do moved = moved + 1 end
    redis.call('ZREM', holders, name)
  end
end
return moved
"""


class RedisQueue(Generic[_T]):
    """A consumer of the queue. Not thread-safe."""

    def __init__(self, connection: Connection, queue: Queue, worker: str, read: Callable[[bytes], list[_T]]) -> None:
        """Connect, declare the queue, and return messages held by an earlier run of this worker."""
        channel: Any = connection.default_channel
        queue(channel).declare()
        self._connection = connection
        self._read = read
        # kombu's pool handles TLS, Sentinel, sockets, time-outs and passwords.
        self._client: Any = redis.Redis(connection_pool=channel.pool)
        prefix = channel.global_keyprefix or ""
        # One list per priority, most urgent first.
        self._lists = [prefix + channel._q_for_pri(queue.name, step) for step in channel.priority_steps]  # noqa: SLF001  its only name
        self._worker = f"{worker}/"
        self._name = self._worker + uuid.uuid4().hex
        self._held_by = f"{prefix}{queue.name}.held."
        self._held = self._held_by + self._name
        self._holders = f"{prefix}{queue.name}.holders"
        self._take_script = self._client.register_script(_TAKE)
        self._give_back_script = self._client.register_script(_GIVE_BACK)
        self._in_hand: list[bytes] = []
        self.give_back_of_others(of_this_worker=True)

    def wait(self) -> bool:
        """Wait for a message, a second at most. Returns whether there is one."""
        try:
            return self._client.blmove(self._lists[0], self._held, _WAIT, "RIGHT", "RIGHT") is not None or any(
                map(self._client.llen, self._lists[1:])
            )
        except OutOfMemoryError:
            time.sleep(_WAIT / 2)
            return bool(self._client.llen(self._lists[0]))

    def take(self) -> list[list[_T]]:
        """Take more messages, up to 500, and return what was read from each message held."""
        keys = [*self._lists, self._held, self._holders]
        try:
            items = self._take_script(keys, [MOST_MESSAGES, _MOST_BATCH, MOST_BYTES + 1, self._name])
        except OutOfMemoryError:
            # A full Redis allows only removal, not moves. This frees memory, and loses messages only if we are killed.
            if not self._in_hand:
                self._in_hand = self._client.rpop(self._lists[0], MOST_MESSAGES) or []
            items = [*self._client.lrange(self._held, 0, -1), *self._in_hand]
        return [self._read(item) for item in items]

    def done(self) -> None:
        """Delete the messages held, which are stored."""
        self._client.delete(self._held)
        self._in_hand = []

    def keep_alive(self) -> None:
        """Tell others that we still hold our messages."""
        with contextlib.suppress(OutOfMemoryError):
            self._client.zadd(self._holders, {self._name: int(self._client.time()[0])})

    def give_back_of_others(self, *, of_this_worker: bool = False) -> int:
        """Return messages held by consumers that are gone. Returns how many."""
        keys, prefix = [self._lists[0], self._holders], self._worker if of_this_worker else ""
        try:
            return int(self._give_back_script(keys, [self._name, prefix, self._held_by, _SILENT]))
        except OutOfMemoryError:
            return 0  # when there is room again

    def close(self) -> None:
        """Return the messages held, and close the connection."""
        try:
            if self._in_hand:
                self._client.rpush(self._lists[0], *reversed(self._in_hand))
            while self._client.lmove(self._held, self._lists[0], "RIGHT", "RIGHT"):
                pass
            self._client.zrem(self._holders, self._name)
        finally:
            self._connection.release()
