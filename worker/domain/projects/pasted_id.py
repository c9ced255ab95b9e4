"""Finding the project id in what people paste into a search: an id in any case, a link, or ``video/ID``."""

import re
from typing import Final

from worker.domain.intake.identifiers import is_project_id

_BETWEEN: Final = re.compile(r"[^A-Za-z0-9_-]+")
# The form of every id seen so far (a cuid); in a link, anything of this form is the id.
_CUID: Final = re.compile(r"c[a-z0-9]{15,31}")


def pasted_id(text: str) -> str | None:
    """Return the project id that a text is or contains, or None. Words without a link are not taken for ids."""
    words = [word for word in _BETWEEN.split(text) if word]
    for word in words:
        if _CUID.fullmatch(word.lower()) and any(letter.isdigit() for letter in word):
            return word.lower()
    is_link = "/" in text and " " not in text.strip()
    candidates = [word for word in words if is_project_id(word)] if is_link else []
    return candidates[-1] if candidates else None
