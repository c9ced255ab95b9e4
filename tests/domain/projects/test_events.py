import json

from hypothesis import given

from tests.domain.projects.strategies import PLAN, START, after, observations, project, seen
from worker.domain.projects.apply_observation import apply_observation
from worker.domain.projects.events import SCHEMA_VERSION, Event, payload
from worker.domain.projects.observation import Download, Observation, ProjectError

LINK = Download("https://videos.magichour.ai/output.mp4?sig=s3cret", "2026-09-26T17:34:50.000Z")
FAILED = project(
    kind="image",
    type="FACE_SWAP",
    status="error",
    state="settling",
    credits_charged=0,
    error=ProjectError("no_source_face", "No face"),
    downloads=(LINK,),
    metadata={"order": {"id": 7}},
    name="Portrait",
    image_count=4,
    created_at=START,
    expected_credits=450,
    tracked_by="studio",
)


def test_the_payload_tells_all_that_downstream_needs() -> None:
    event = Event("project.failed", "finished", 3, "rendering", 450)
    assert payload(event, "01a2", FAILED, after(minutes=3)) == {
        "schema_version": SCHEMA_VERSION,
        "id": "01a2",
        "type": "project.failed",
        "occurred_at": "2026-09-25T17:37:24+00:00",
        "account": "default",
        "kind": "image",
        "project_id": "cmuh8q75q0101k101fvgj9518",
        "project_type": "FACE_SWAP",
        "sequence": 3,
        "state": "settling",
        "previous_status": "rendering",
        "status": "error",
        "credits_before": 450,
        "credits_after": 0,
        "error": {"code": "no_source_face", "message": "No face"},
        "downloads": [
            {"url": "https://videos.magichour.ai/output.mp4?sig=s3cret", "expires_at": "2026-09-26T17:34:50.000Z"}
        ],
        "metadata": {"order": {"id": 7}},
        "name": "Portrait",
        "width": None,
        "height": None,
        "fps": None,
        "start_seconds": None,
        "end_seconds": None,
        "image_count": 4,
        "created_at": "2026-09-25T17:34:24+00:00",
        "expected_credits": 450,
        "tracked_by": "studio",
    }


def test_what_is_not_known_is_null() -> None:
    told = payload(Event("project.missing", "missing:1", 1, None, None), "01a2", project(), START)
    assert [key for key, value in told.items() if value is None] == [
        "project_type",
        "previous_status",
        "status",
        "credits_before",
        "credits_after",
        "error",
        "name",
        "width",
        "height",
        "fps",
        "start_seconds",
        "end_seconds",
        "image_count",
        "created_at",
        "expected_credits",
        "tracked_by",
        "reason",
    ]
    assert (told["downloads"], told["metadata"]) == ([], {})


@given(observations)
def test_every_payload_survives_json(answer: Observation) -> None:
    outcome = apply_observation(project(metadata={"order": 7}), answer, START, PLAN)
    for event in outcome.events:
        told = payload(event, "01a2", outcome.project, START)
        assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_no_repr_shows_a_signed_link() -> None:
    answer = seen("complete", downloads=(LINK,))
    outcome = apply_observation(FAILED, answer, START, PLAN)
    assert outcome.project.downloads == (LINK,)
    assert "s3cret" not in f"{LINK!r} {LINK} {FAILED!r} {FAILED} {answer!r} {outcome!r}"
