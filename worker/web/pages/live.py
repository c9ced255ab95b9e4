"""Notify open pages of changes, so that they reload."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse

from worker.web.gate.client_limits import NoSlotError
from worker.web.render import TheViewer
from worker.web.state import Web

router = APIRouter(include_in_schema=False)
_ASSETS: Final = Path(__file__).parent.parent / "assets"
_KNOWN: Final = {path.name: path for path in _ASSETS.iterdir() if path.is_file()}
_SILENCE: Final = 15.0
# A busy database must not make every open page load itself all the time.
_AT_MOST_EVERY: Final = 1.5


@router.get("/live")
async def stream_changes(viewer: TheViewer) -> Response:
    """Stream the fact that something changed."""
    return StreamingResponse(
        _changes(viewer.web, viewer.caller.token_id),
        media_type="text/event-stream",
        headers={"x-accel-buffering": "no"},
    )


async def _changes(web: Web, key: object) -> AsyncIterator[str]:
    yield "retry: 3000\n\n"
    with contextlib.suppress(NoSlotError), web.broadcaster.watching(key) as changed:
        while True:
            try:
                async with asyncio.timeout(_SILENCE):
                    await changed.wait()
            except TimeoutError:
                yield "event: pulse\ndata: \n\n"
                continue
            changed.clear()
            yield "event: change\ndata: \n\n"
            await asyncio.sleep(_AT_MOST_EVERY)


@router.get("/assets/{name}")
def read_asset(name: str) -> Response:
    """Return a stylesheet, a script or a picture of ours."""
    path = _KNOWN.get(name)
    if path is None:
        return PlainTextResponse("there is no such file", 404)
    return FileResponse(path, headers={"cache-control": "private, no-cache"})


@router.get("/favicon.ico")
def read_icon() -> Response:
    """Return our icon to browsers that ask for it by this name."""
    return FileResponse(_ASSETS / "icon.svg", media_type="image/svg+xml")
