"""Conversion between rows of tracked_projects and the domain's Project."""

from typing import Any, Final

from sqlalchemy import RowMapping

from worker.domain.projects.observation import Download, ProjectError
from worker.domain.projects.project import Project

# Fields with a column of the same name.
_SAME: Final = (
    "state",
    "close_reason",
    "closed_at",
    "status",
    "credits_charged",
    "type",
    "name",
    "width",
    "height",
    "fps",
    "start_seconds",
    "end_seconds",
    "image_count",
    "expected_credits",
    "created_at",
    "opened_at",
    "queued_at",
    "started_at",
    "finished_at",
    "stalled_at",
    "last_observed_at",
    "missing_since",
    "missing_count",
    "failure_count",
    "last_problem",
    "last_problem_detail",
    "last_problem_message",
    "last_problem_at",
    "failing_since",
    "odd_fields",
    "settling_since",
    "transition_count",
    "adjustment_count",
    "event_count",
    "closing_count",
)


def to_project(values: RowMapping) -> Project:
    """Return the project of a row of tracked_projects with all its columns."""
    code, message = values["error_code"], values["error_message"]
    return Project(
        kind=values["kind"],
        project_id=values["project_id"],
        account=values["account"],
        error=None if code is None and message is None else ProjectError(code, message),
        downloads=tuple(Download(item["url"], item["expires_at"]) for item in values["downloads"]),
        metadata=values["metadata"],
        tracked_by=values["tracked_by"],
        **{name: values[name] for name in _SAME},
    )


def to_values(project: Project) -> dict[str, Any]:
    """Return the column values of a project, except those that never change."""
    error = project.error
    return {
        **{name: getattr(project, name) for name in _SAME},
        "error_code": error.code if error else None,
        "error_message": error.message if error else None,
        "downloads": [{"url": item.url, "expires_at": item.expires_at} for item in project.downloads],
    }
