"""Payloads, checked as a consumer would check them: against the JSON Schemas that are published."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from jsonschema_rs import Draft202012Validator

from tests.support.processes import ROOT


def check_payload(payload: Mapping[str, Any]) -> None:
    """Fail if an event is not as its schema says, or holds a field that the schema does not name."""
    schema, validator = _schema(payload["type"])
    validator.validate(dict(payload))
    assert payload.keys() <= schema["properties"].keys(), f"fields of no schema: {payload.keys()}"


@cache
def _schema(event_type: str) -> tuple[dict[str, Any], Draft202012Validator]:
    schema: dict[str, Any] = json.loads((ROOT / f"docs/schemas/{event_type}.json").read_text(encoding="utf-8"))
    return schema, Draft202012Validator(schema, validate_formats=True)
