"""Hints: what a webhook of Magic Hour says about a project, and whether that is worth a check.

The webhook is never recorded. It only makes the project due; the API says what is true.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from worker.domain.intake.bounded_json import loads
from worker.domain.intake.identifiers import is_project_id
from worker.domain.projects.status import KINDS, WAITING, Kind

_STATUSES: Final = {"started": "rendering", "completed": "complete", "errored": "error"}
_KINDS: Final[Mapping[str, Kind]] = {kind: kind for kind in KINDS}


class HintError(ValueError):
    """A body that is not a webhook of Magic Hour. The message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Hint:
    """Something happened to a project. ``status`` is the one that it should have now; None if not known."""

    kind: Kind
    project_id: str
    status: str | None


def parse_hint(body: bytes) -> Hint | None:
    """Return the hint of a webhook's body; None if it is about something else than a project. Raises HintError."""
    try:
        content = loads(body)
    except (ValueError, RecursionError):
        raise HintError("the body is not JSON in UTF-8") from None
    if not isinstance(content, Mapping) or not isinstance(content.get("type"), str):
        raise HintError("the body must be an object with a type, such as video.completed")
    subject, _, happening = content["type"].partition(".")
    kind = _KINDS.get(subject)
    if kind is None:
        return None
    # Some of the vendor's examples have "object" in place of "payload".
    payload = content.get("payload", content.get("object"))
    project_id = payload.get("id") if isinstance(payload, Mapping) else None
    if not isinstance(project_id, str) or not is_project_id(project_id):
        raise HintError("payload.id must be the id of a project")
    return Hint(kind, project_id, _STATUSES.get(happening))


def tells_news(hint: Hint, known_status: str | None) -> bool:
    """Whether a project that was last seen with ``known_status`` is worth a check.

    Webhooks come twice and out of order: one about a status that was already seen, or passed, tells nothing.
    """
    if hint.status is None or known_status is None:
        return True
    if hint.status == "rendering":
        return known_status in WAITING
    return known_status != hint.status
