"""Bodies as the vendor documents them, with the deprecated fields that are still sent."""

from typing import Any, Final

VIDEO: Final[dict[str, Any]] = {
    "id": "cmuh8q75q0101k101fvgj9518",
    "name": "My video",
    "status": "complete",
    "type": "TEXT_TO_VIDEO",
    "created_at": "2026-09-25T17:34:24.446Z",
    "width": 512,
    "height": 960,
    "enabled": True,
    "start_seconds": 0,
    "end_seconds": 15,
    "total_frame_cost": 450,
    "credits_charged": 450,
    "fps": 30,
    "error": None,
    "downloads": [
        {"url": "https://videos.magichour.ai/id/output.mp4?sig=s3cret", "expires_at": "2026-09-26T17:34:50.000Z"}
    ],
    "download": {"url": "https://videos.magichour.ai/id/output.mp4?sig=s3cret", "expires_at": "2026-09-26T17:34:50Z"},
}
IMAGE: Final[dict[str, Any]] = {
    "id": "cmuh8q75q0101k101fvgj9519",
    "name": None,
    "status": "queued",
    "image_count": 1,
    "type": "AI_IMAGE",
    "created_at": "2026-09-25T17:34:24Z",
    "enabled": True,
    "total_frame_cost": 5,
    "credits_charged": 5,
    "downloads": [],
    "error": None,
}
AUDIO: Final[dict[str, Any]] = {
    "id": "cmuh8q75q0101k101fvgj9520",
    "name": "Speech",
    "status": "error",
    "type": "VOICE_GENERATOR",
    "created_at": "1970-01-01T00:00:00",
    "enabled": True,
    "credits_charged": 0,
    "downloads": [],
    "error": {"message": "Please use an image with a detectable face", "code": "no_source_face"},
}
DEPRECATED: Final = ("total_frame_cost", "download")
