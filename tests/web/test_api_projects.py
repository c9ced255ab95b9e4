from typing import Any

import httpx
import pytest

from tests.store.world import fill, pass_time, seen, stored
from tests.web.conftest import Served, answer_all
from worker.domain.observation import ProjectError
from worker.store.models import OperatorAction, TrackedProject

ID = "cmb1xk2v80000l70"
ITEM = {"kind": "video", "project_id": ID, "credits_charged": 450, "metadata": {"order": 4711}}


def problem(response: httpx.Response, status: int, code: str) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert (body["status"], body["code"]) == (status, code)
    return str(body["detail"])


def page(api: httpx.Client, **filters: Any) -> list[str]:  # noqa: ANN401  any filter
    response = api.get("/v1/projects", params=filters)
    assert response.status_code == 200, response.text
    return [each["project_id"] for each in response.json()["data"]]


def test_a_project_is_tracked_once_and_the_answer_tells(api: httpx.Client, web: Served) -> None:
    first = api.post("/v1/projects", json=ITEM)
    assert (first.status_code, first.json()["tracked"]) == (201, "new")
    assert first.headers["location"] == f"/v1/projects/video/{ID}"
    again = api.post("/v1/projects", json=ITEM)
    assert (again.status_code, again.json()["tracked"]) == (200, "known")
    assert api.get(first.headers["location"]).json() == again.json()["project"]
    (row,) = stored(web.database, TrackedProject)
    assert (row["project_id"], row["credits_charged"], row["metadata"]) == (
        ID,
        450,
        {"order": 4711},
    )


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ({"kind": "film", "project_id": ID}, "kind is 'film'; it must be video, image or audio"),
        ({"kind": "video", "project_id": "../x"}, "must be the id from the create call"),
        ({"kind": "video", "project_id": ID, "acount": "x"}, "did you mean account?"),
        ({"kind": "video", "project_id": ID, "account": "nobody"}, "has no API key"),
        ({"kind": "video", "project_id": ID, "notify": ["celery:other.task"]}, "is not allowed"),
        ([], "a request is an object"),
    ],
)
def test_a_wrong_request_is_explained_and_changes_nothing(
    api: httpx.Client, web: Served, item: object, says: str
) -> None:
    assert says in problem(api.post("/v1/projects", json=item), 422, "bad_request")
    assert stored(web.database, TrackedProject) == []


def test_the_same_id_for_another_account_is_a_conflict(api: httpx.Client) -> None:
    api.post("/v1/projects", json=ITEM)
    other = api.post("/v1/projects", json=ITEM | {"account": "studio"})
    assert "tracked already, for account 'default'" in problem(other, 409, "tracked_elsewhere")


def test_many_are_taken_beside_bad_ones(api: httpx.Client) -> None:
    items = [*({"kind": "image", "project_id": f"project-{n}"} for n in range(300)), {"kind": "x"}, ITEM, ITEM]
    answered = api.post("/v1/projects/bulk", json={"projects": items}).json()
    assert answered["rejected"] == [
        {"position": 300, "reason": "kind is 'x'; it must be video, image or audio"}  # the first of what is wrong
    ]
    assert (answered["new"], answered["known"], answered["reopened"]) == (301, 1, 0)
    assert "send" in problem(api.post("/v1/projects/bulk", json=items), 422, "bad_request")
    too_many = api.post("/v1/projects/bulk", json={"projects": [1] * 10_001})
    assert "at most 10000" in problem(too_many, 422, "bad_request")


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"kind": NaN}', "application/json", 400),
        (b"kind=video", "application/x-www-form-urlencoded", 415),
    ],
)
def test_what_is_not_json_is_refused(api: httpx.Client, body: bytes, kind: str, status: int) -> None:
    problem(api.post("/v1/projects", content=body, headers={"content-type": kind}), status, "not_json")


def test_history_ledger_and_events_can_be_read(api: httpx.Client, web: Served) -> None:
    api.post("/v1/projects", json=ITEM)
    pass_time(web.database, 10)
    fill(web.database)
    answer_all(web.database, seen("queued"), seen("error", 0, error=ProjectError("no_source_face", "no face")))
    path = f"/v1/projects/video/{ID}"
    project = api.get(path).json()
    assert (project["status"], project["state"], project["error"]) == (
        "error",
        "settling",
        {"code": "no_source_face", "message": "no face"},
    )
    assert [each["to_status"] for each in api.get(f"{path}/history").json()["data"]] == ["queued", "error"]
    ledger = api.get(f"{path}/credits").json()["data"]
    assert [(each["reason"], each["amount"]) for each in ledger] == [("estimate", 450), ("refund", -450)]
    events = api.get(f"{path}/events").json()["data"]
    assert {"project.failed", "project.credits_adjusted"} <= {each["type"] for each in events}
    assert {each["pending"] for each in events} == {1}


@pytest.mark.parametrize("what", ["", "/history", "/credits", "/events"])
def test_an_unknown_project_says_how_to_track_it(api: httpx.Client, what: str) -> None:
    assert "POST /v1/projects" in problem(api.get(f"/v1/projects/audio/{ID}{what}"), 404, "not_tracked")


def test_the_list_can_be_filtered_and_paged_to_its_end(api: httpx.Client, web: Served) -> None:
    kinds = ("video", "image", "audio")
    teams = ["a%b"] * 5 + ["x"] * 20
    items = [
        {
            "kind": kinds[n % 3],
            "project_id": f"project-{n:04}",
            "metadata": {"order": n, "team": teams[n]},
        }
        for n in range(25)
    ]
    api.post("/v1/projects/bulk", json={"projects": items})
    everything = [item["project_id"] for item in items]
    for sort in ("newest", "oldest", "due"):
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            answered = api.get("/v1/projects", params={"limit": 10, "sort": sort, **cursor}).json()
            found += [each["project_id"] for each in answered["data"]]
            if not answered["next_cursor"]:
                break
            cursor = {"cursor": answered["next_cursor"]}
        assert sorted(found) == everything, sort
    assert page(api, kind="image") == everything[1::3][::-1]
    assert page(api, metadata="order:7") == ["project-0007"]
    assert page(api, metadata=["order:7", "team:a%b"]) == []
    assert len(page(api, text="a%b")) == 5
    assert page(api, text="project-0003") == ["project-0003"]
    assert sorted(page(api, text="project-001")) == everything[10:20]
    assert page(api, state="closed") == []
    assert page(api, tracked_after="2100-01-01T00:00:00Z") == []
    answer_all(web.database, seen("complete", 300, name="Summer sale", type="TEXT_TO_VIDEO"))
    assert len(page(api, text="SUMMER")) == 25
    assert len(page(api, type="TEXT_TO_VIDEO", status="complete", sort="credits", limit=30)) == 25
    assert len(page(api, sort="finished", limit=30)) == 25


def test_a_search_that_finds_little_goes_on_part_by_part(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.store.search.WINDOW", 10)
    items = [{"kind": "video", "project_id": f"project-{n:04}", "metadata": {"odd": n % 24}} for n in range(50)]
    api.post("/v1/projects/bulk", json={"projects": items})
    for sort, expected in (("newest", ["project-0027", "project-0003"]), ("oldest", ["project-0003", "project-0027"])):
        found: list[str] = []
        cursor: dict[str, str] = {}
        pages = 0
        while True:
            pages += 1
            answered = api.get("/v1/projects", params={"metadata": "odd:3", "sort": sort, **cursor}).json()
            found += [each["project_id"] for each in answered["data"]]
            if not answered["next_cursor"]:
                break
            assert answered["searched_back_to"]
            cursor = {"cursor": answered["next_cursor"]}
        assert found == expected
        assert pages == 5


@pytest.mark.parametrize("cursor", ["x", "bnVsbA", "W10", "WyJuZXdlc3QiLG51bGwsMWU5OTld", "🎬"])
def test_a_made_up_cursor_is_refused(api: httpx.Client, cursor: str) -> None:
    problem(api.get("/v1/projects", params={"cursor": cursor}), 422, "bad_cursor")


@pytest.mark.parametrize(
    "query",
    [
        "kind=film",
        "limit=0",
        "limit=x",
        "sort=name",
        "text=%00",
        "metadata=x",
        "tracked_after=2026",
        "state=x",
        "statsu=x",
        "account=a&account=b",
    ],
)
def test_a_wrong_filter_is_refused(api: httpx.Client, query: str) -> None:
    assert api.get(f"/v1/projects?{query}").status_code == 422


def test_what_an_operator_does_is_noted_with_the_tokens_name(api: httpx.Client, web: Served) -> None:
    api.post("/v1/projects", json=ITEM)
    path = f"/v1/projects/video/{ID}"
    assert api.post(f"{path}/recheck", params={"reason": "a customer asks"}).json() == {"done": True}
    closed = api.delete(path).json()
    assert (closed["state"], closed["close_reason"]) == ("closed", "untracked")
    assert api.delete(path).status_code == 200
    actions = [(each["action"], each["actor"], each["reason"]) for each in stored(web.database, OperatorAction)]
    assert actions == [("recheck", "tests (API)", "a customer asks"), ("untrack", "tests (API)", None)]
    assert api.post("/v1/projects", json=ITEM).json()["tracked"] == "reopened"
    problem(api.post(f"/v1/projects/audio/{ID}/recheck"), 404, "not_tracked")
    problem(api.delete(f"/v1/projects/audio/{ID}"), 404, "not_tracked")
