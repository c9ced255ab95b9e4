"""Write the JSON Schemas of the events: ``python -m worker.client.schemas FOLDER``."""

import json
import sys
from pathlib import Path
from typing import Any, Final

from worker.client.events import EVENT_MODELS, SCHEMA_VERSION

_EXAMPLE: Final = {
    "type": "boolean",
    "description": "true: renderwatch trigger sent this, and its project does not exist; absent otherwise",
}


def event_schema(event_type: str) -> dict[str, Any]:
    """Return the JSON Schema of an event type's payload."""
    # What is serialized always has its defaults: so the schema requires every field of the present version.
    schema = EVENT_MODELS[event_type].model_json_schema(mode="serialization")
    properties = schema["properties"]
    properties["type"] = {"const": event_type}
    properties["schema_version"] = {**properties["schema_version"], "minimum": SCHEMA_VERSION}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": event_type,
        "properties": {**properties, "example": _EXAMPLE},
    }


def files() -> dict[str, str]:
    """Return the name and the text of every schema's file."""
    return {f"{event_type}.json": json.dumps(event_schema(event_type), indent=2) + "\n" for event_type in EVENT_MODELS}


if __name__ == "__main__":
    for name, text in files().items():
        (Path(sys.argv[1]) / name).write_text(text, encoding="utf-8")
