"""The filters of the projects page, as they are in its address."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, get_args

from starlette.requests import Request

from worker.store.projects.metadata_search import exact_term, read_term
from worker.store.projects.search import Search, Sort
from worker.store.projects.selections import SELECTIONS
from worker.web.searching.periods import PERIODS, period_of

FIELDS: Final = (
    "text", "kind", "type", "status", "state", "account", "error_code", "age", "only", "problem", "finished", "key",
    "value",
)  # fmt: skip
AGES: Final = {"1h": 3600, "24h": 86400, "7d": 7 * 86400, "30d": 30 * 86400}
SELECTION_WORDS: Final = {
    "due": "due now",
    "overdue": "overdue",
    "stalled": "stalled",
    "failing": "checks fail",
    "unanswered": "no usable answer",
    "missing": "missing at Magic Hour",
    "refund_outstanding": "refund outstanding",
    "not_seen": "not seen yet",
    "without_error_code": "failed without a code",
}
SORTS: Final[tuple[Sort, ...]] = get_args(Sort)
_LONGEST: Final = 200


def read_filters(given: Mapping[str, str]) -> dict[str, str]:
    """Return the value of every filter, empty if it is not used."""
    values = {name: given.get(name, "").replace("\x00", "") for name in FIELDS}
    # A link names exactly this key and value, whatever characters they have.
    exact = {"key": values["key"], "value": values["value"] if values["key"] else ""}
    return {name: value.strip()[:_LONGEST] for name, value in values.items()} | exact


def filters_of(request: Request) -> dict[str, str]:
    """Return the filters in the address of a page."""
    return read_filters(request.query_params)


def search_for(given: Mapping[str, str], now: datetime, sort: Sort = "newest") -> Search:
    """Return the search for these filters."""
    text = given["text"]
    term = None if "://" in text else read_term(text.replace(": ", ":", 1))
    exact = [exact_term(given["key"], given["value"])] if given["key"] else []
    age = AGES.get(given["age"])
    only = given["only"]
    return Search(
        text=None if term else text or None,
        metadata=([term] if term else []) + exact,
        kinds=_words(given["kind"].lower()),
        types=_in_any_case(given["type"]),
        statuses=_in_any_case(given["status"]),
        states=("active", "settling") if given["state"] == "open" else _words(given["state"].lower()),
        accounts=_words(given["account"].lower()),
        error_code=given["error_code"] or None,
        tracked_after=now - timedelta(seconds=age) if age else None,
        finished_after=period_of(given["finished"], now).start if given["finished"] in PERIODS else None,
        problem=given["problem"] or None,
        selection=next((each for each in SELECTIONS if each == only), None),
        now=now,
        sort=sort,
    )


def sort_of(request: Request) -> Sort:
    """Return the sort order in the address of a page."""
    given = request.query_params.get("sort", "")
    return next((each for each in SORTS if each == given), "newest")


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _in_any_case(text: str) -> tuple[str, ...]:
    """Return the words of a filter as given and as Magic Hour writes them: types in capitals, statuses in small."""
    return tuple(sorted({form for word in _words(text) for form in (word, word.lower(), word.upper())}))
