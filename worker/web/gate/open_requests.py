"""Ending open requests, such as streams, once their caller's token or session is no longer valid."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

# Added to the time for which a valid caller is remembered: see REMEMBERED.
_EVERY: Final = 1.0


async def run_while(is_allowed: Callable[[], Awaitable[bool]], request: Awaitable[None]) -> bool:
    """Run a request to its end, and cancel it when it is no longer allowed. Returns whether it ended by itself."""
    task = asyncio.ensure_future(request)
    try:
        while not (await asyncio.wait({task}, timeout=_EVERY))[0]:
            if not await is_allowed():
                return False
        await task
        return True
    finally:
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
