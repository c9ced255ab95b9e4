"""How the bodies of requests are documented. They are judged by domain/request.py, whose answers say more."""

from typing import Any, Final

from worker.domain.status import KINDS
from worker.tracking.intake import MOST_ITEMS

_DESTINATIONS: Final = {"type": "array", "items": {"type": "string", "maxLength": 300}, "maxItems": 20}
ITEM: Final[dict[str, Any]] = {
    "type": "object",
    "title": "TrackRequest",
    "required": ["kind", "project_id"],
    "additionalProperties": False,
    "properties": {
        "kind": {"type": "string", "enum": list(KINDS)},
        "project_id": {"type": "string", "pattern": "^[A-Za-z0-9_-]{8,64}$", "description": "from the create call"},
        "account": {
            "type": "string",
            "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$",
            "default": "default",
            "description": "whose API key is used; one that has none is refused",
        },
        "credits_charged": {
            "type": ["integer", "null"],
            "minimum": 0,
            "maximum": 2**63 - 1,
            "description": "the create call's price",
        },
        "metadata": {
            "type": ["object", "null"],
            "description": "yours; at most 8 KiB as JSON; comes back with every event",
        },
        "notify": {
            "description": "destinations for this project that the operator allows: a list, or lists by event type",
            "anyOf": [{"type": "null"}, _DESTINATIONS, {"type": "object", "additionalProperties": _DESTINATIONS}],
        },
    },
    "examples": [
        {"kind": "video", "project_id": "cmb1xk2v80000l70", "credits_charged": 450, "metadata": {"order": 4711}}
    ],
}
MANY: Final[dict[str, Any]] = {
    "type": "object",
    "title": "TrackRequests",
    "required": ["projects"],
    "additionalProperties": False,
    "properties": {"projects": {"type": "array", "maxItems": MOST_ITEMS, "items": {}}},
    "description": "Each item is like the body of POST /v1/projects; what is not is rejected, the others are taken.",
    "examples": [
        {
            "projects": [
                {"kind": "video", "project_id": "cmb1xk2v80000l70"},
                {"kind": "image", "project_id": "cmb1xk2v8"},
            ]
        }
    ],
}


def body(schema: dict[str, Any]) -> dict[str, Any]:
    """Return what an endpoint adds to the document about its body."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
