"""The bodies of the API's answers, with every key that the real API sends, the deprecated ones included."""

from worker.simulator.lifecycle.create_request import ESTIMATED_FPS
from worker.simulator.lifecycle.links import Links, timestamp
from worker.simulator.lifecycle.plan import ERRORS, Moment
from worker.simulator.lifecycle.projects import Project

Body = dict[str, object]

FILE_ENDINGS = {"video": "mp4", "image": "png", "audio": "mp3"}


def created(project: Project) -> Body:
    """Return the answer to a create."""
    price = project.life.moments[0].credits_charged
    match project.endpoint.kind:
        case "video":
            return {"id": project.id, "estimated_frame_cost": price, "credits_charged": price}
        case "image":
            return {"id": project.id, "frame_cost": price, "credits_charged": price}
        case "audio":
            return {"id": project.id, "credits_charged": price}


def details(project: Project, now: float, links: Links, origin: str) -> Body:
    """Return the project as it shows now; its links are new with every counted request and start with `origin`."""
    moment = project.at(now)
    body: Body = {
        "id": project.id,
        "name": project.request.name or f"Untitled {project.endpoint.type.replace('_', ' ').lower()}",
        "status": moment.status,
        "type": project.endpoint.type,
        "created_at": timestamp(project.created_at),
        # Whether a deleted project really shows this, or a 404, is documented nowhere; a reader has to take both.
        "enabled": project.deleted_at is None,
        "credits_charged": moment.credits_charged,
        "error": _error(project, moment),
        "downloads": _downloads(project, moment, now, links, origin),
    }
    return body | _particulars(project, moment, body["downloads"])


def _particulars(project: Project, moment: Moment, downloads: object) -> Body:
    """Return the keys that only this kind has."""
    request = project.request
    match project.endpoint.kind:
        case "video":
            return {
                "width": request.width,
                "height": request.height,
                "start_seconds": request.start_seconds,
                "end_seconds": request.end_seconds,
                "total_frame_cost": moment.credits_charged,
                "fps": project.life.fps if moment.status == "complete" else ESTIMATED_FPS,
                "download": downloads[0] if isinstance(downloads, list) and downloads else None,
            }
        case "image":
            return {"image_count": request.image_count, "total_frame_cost": moment.credits_charged}
        case "audio":
            return {}


def _error(project: Project, moment: Moment) -> Body | None:
    if moment.status != "error" or project.life.error is None:
        return None
    return {"message": ERRORS[project.endpoint.kind][project.life.error], "code": project.life.error}


def _downloads(project: Project, moment: Moment, now: float, links: Links, origin: str) -> list[object]:
    if moment.status != "complete" or project.deleted_at is not None:
        return []
    ending = "gif" if project.endpoint.type == "AI_GIF" else FILE_ENDINGS[project.endpoint.kind]
    count = project.request.image_count
    names = ["output"] if count == 1 else [f"output-{number}" for number in range(1, count + 1)]
    return [links.sign(origin, f"{project.id}/{name}.{ending}", now, project.requests) for name in names]
