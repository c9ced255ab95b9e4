"""Projects and observations, and strategies for them."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from hypothesis import strategies as st

from worker.domain.projects.observation import Download, Observation, ProjectError
from worker.domain.projects.project import Project
from worker.domain.scheduling.schedule import Plan

PLAN: Final = Plan()
START: Final = datetime(2026, 9, 25, 17, 34, 24, tzinfo=UTC)
ID: Final = "cmuh8q75q0101k101fvgj9518"

statuses = st.sampled_from(["draft", "queued", "rendering", "complete", "error", "canceled", "upscaling"])
errors = st.none() | st.just(ProjectError("no_source_face", "No face")) | st.just(ProjectError("unknown_error", "?"))
observations = st.builds(
    Observation,
    project_id=st.just(ID),
    status=statuses,
    credits_charged=st.sampled_from([0, 0, 150, 150, 120, 450, -5, 10**9]),
    enabled=st.sampled_from([True] * 9 + [False]),
    created_at=st.just(START),
    error=errors,
    downloads=st.just(()) | st.tuples(st.builds(Download, st.text(), st.text())),
)
# From one look at a project to the next: some at once, some far apart.
waits = st.sampled_from([0.0, 1.0, 30.0, 600.0, 6 * 3600.0, 3 * 86400.0, 8 * 86400.0]).map(
    lambda seconds: timedelta(seconds=seconds)
)


def project(**values: Any) -> Project:  # noqa: ANN401  whatever field a test cares about
    return Project(**{"kind": "video", "project_id": ID, "account": "default", "opened_at": START, **values})


def seen(status: str = "queued", credits_charged: int = 450, **values: Any) -> Observation:  # noqa: ANN401  the same
    given = {"project_id": ID, "enabled": True, "created_at": START, **values}
    return Observation(status=status, credits_charged=credits_charged, **given)


def after(**duration: float) -> datetime:
    """A moment, counted from the start of tracking: ``after(minutes=5)``."""
    return START + timedelta(**duration)
