"""Parameters that several endpoints share."""

import re
from datetime import datetime
from typing import Annotated, Final

from fastapi import Path, Query
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from worker.domain.intake.identifiers import PROJECT_ID_PATTERN
from worker.domain.projects.status import Kind
from worker.store.projects.metadata_search import MetadataTerm, read_term
from worker.web.problems import ProblemError

_DATE_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}", re.ASCII)


def _plain(value: str) -> str:
    """Refuse what databases cannot store as text."""
    if "\x00" in value:
        raise ValueError("it must not contain the character U+0000")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("it must be valid Unicode") from None
    return value


def _written_out(value: object) -> object:
    """Refuse other forms that pydantic accepts as a time: a number of seconds, or a date alone."""
    if isinstance(value, str) and not _DATE_TIME.match(value):
        raise ValueError("write it like 2026-11-24T08:00:00Z")
    return value


def _in_range(value: datetime) -> datetime:
    if not 1 < value.year < 9999:  # noqa: PLR2004  a zone could take it out of the calendar
        raise ValueError("the year must be between 2 and 9998")
    return value


Word = Annotated[str, Field(max_length=200, pattern="^[^\\u0000]*$"), AfterValidator(_plain)]
# As long as destinations may be.
Destination = Annotated[str, Field(min_length=1, max_length=300, pattern="^[^\\u0000]*$"), AfterValidator(_plain)]
Text = Annotated[Word | None, Query()]
Words = Annotated[list[Word] | None, Query(max_length=50)]
Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_range)]
KindPath = Annotated[Kind, Path()]
IdPath = Annotated[
    str, Path(pattern=PROJECT_ID_PATTERN, examples=["cmb1xk2v80000l70"], description="from the create call")
]
Reason = Annotated[
    Annotated[str, Field(max_length=500, pattern="^[^\\u0000]*$"), AfterValidator(_plain)] | None,
    Query(description="recorded with the token's name"),
]


def metadata_terms(given: list[str]) -> list[MetadataTerm]:
    """Return the terms of a metadata filter. Raises ProblemError."""
    terms = []
    for text in given:
        term = read_term(text)
        if term is None:
            raise ProblemError(
                422, "bad_filter", f"metadata is filtered by key:value or key:beginning*, not by {text!r}"
            )
        terms.append(term)
    return terms
