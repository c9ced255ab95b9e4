"""Finding projects by a key and a value of their metadata."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, or_, select

from worker.store.models import MetadataValue, TrackedProject
from worker.store.types import begins

_VALUES: Final[Any] = MetadataValue.__table__
_PROJECTS: Final[Any] = TrackedProject.__table__


@dataclass(frozen=True, slots=True)
class MetadataTerm:
    """A key and its value, or the beginning of the value. With several pairs, one of them must match."""

    pairs: tuple[tuple[str, str], ...]
    is_prefix: bool = False

    def condition(self) -> ColumnElement[bool]:
        """Return the condition on projects."""
        pairs = (and_(_VALUES.c.key == key, self._matches(_VALUES.c.value, value)) for key, value in self.pairs)
        found: ColumnElement[bool] = _PROJECTS.c.id.in_(select(_VALUES.c.tracked_project_id).where(or_(*pairs)))
        return found

    def slow_condition(self) -> ColumnElement[bool]:
        """Return the same for PostgreSQL while ``metadata_values`` is being filled; it reads each project."""
        return or_(*(self._matches(_PROJECTS.c.metadata[key].as_string(), value) for key, value in self.pairs))

    def _matches(self, column: ColumnElement[Any], value: str) -> ColumnElement[bool]:
        return begins(column, value) if self.is_prefix else column == value


def exact_term(key: str, value: str) -> MetadataTerm:
    """Return the term for exactly this key and value."""
    return MetadataTerm(((key, value),))


def read_term(text: str) -> MetadataTerm | None:
    """Return the term written as ``key:value`` or ``key:beginning*``; None if it is neither.

    Keys and values may have colons, so each colon may be the one between them.
    """
    is_prefix = text.endswith("*")
    body = text.removesuffix("*") if is_prefix else text
    colons = [at for at, character in enumerate(body) if character == ":" and at > 0]
    pairs = tuple((body[:at], body[at + 1 :]) for at in colons)
    return MetadataTerm(pairs, is_prefix) if pairs else None
