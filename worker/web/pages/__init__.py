"""The dashboard's pages, one file each."""

from typing import Final

from worker.web.pages import (
    accounts,
    audit,
    check_times,
    credits,  # noqa: A004  the page is called that
    deliveries,
    destinations,
    failures,
    live,
    login,
    metadata,
    overview,
    problems,
    project,
    projects,
    settings,
)

_PAGES: Final = (
    login, problems, overview, projects, project, credits, metadata, destinations, deliveries, failures, accounts,
    check_times,
    audit, settings, live,
)  # fmt: skip
ROUTERS: Final = tuple(page.router for page in _PAGES)
