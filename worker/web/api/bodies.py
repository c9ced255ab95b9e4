"""The documentation of request bodies. They are validated by domain/intake/request.py, whose errors say more."""

from typing import Any, Final

from worker.domain.intake.identifiers import ACCOUNT_PATTERN, PROJECT_ID_PATTERN
from worker.domain.intake.metadata import MOST_METADATA, MOST_METADATA_DEPTH
from worker.domain.intake.request import LONGEST_TYPE, MOST_CREDITS
from worker.domain.projects.status import KINDS
from worker.tracking.intake.track import MOST_ITEMS

_DESTINATIONS: Final = {"type": "array", "items": {"type": "string", "maxLength": 300}, "maxItems": 20}
ITEM: Final[dict[str, Any]] = {
    "type": "object",
    "title": "TrackRequest",
    "required": ["kind", "project_id"],
    "additionalProperties": False,
    "properties": {
        "kind": {"type": "string", "enum": list(KINDS)},
        "project_id": {"type": "string", "pattern": PROJECT_ID_PATTERN, "description": "from the create call"},
        "account": {
            "type": "string",
            "pattern": ACCOUNT_PATTERN,
            "default": "default",
            "description": "the account whose API key is used; the project waits until it has one",
        },
        "credits_charged": {
            "type": ["integer", "null"],
            "minimum": 0,
            "maximum": MOST_CREDITS,
            "description": "the create call's price",
        },
        "metadata": {
            "type": ["object", "null"],
            "description": f"at most {MOST_METADATA:,} bytes as JSON and {MOST_METADATA_DEPTH} levels deep;"
            " included in every event",
        },
        "notify": {
            "description": "destinations that the operator allows: a list, or lists by event type",
            "anyOf": [{"type": "null"}, _DESTINATIONS, {"type": "object", "additionalProperties": _DESTINATIONS}],
        },
        "type": {
            "type": ["string", "null"],
            "minLength": 1,
            "maxLength": LONGEST_TYPE,
            "description": "the project's type, such as AI_IMAGE; then its first check is planned",
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
    "description": "Each item is like the body of POST /v1/projects; others are rejected, and the rest is stored.",
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
    """Return what an endpoint adds to the OpenAPI document about its body."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
