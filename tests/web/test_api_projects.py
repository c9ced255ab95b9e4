from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from tests.store.world import fill, pass_time, seen, stored, track
from tests.web.conftest import Served, answer_all
from worker.client import Project
from worker.domain.projects.observation import ProjectError
from worker.store.engine import clock
from worker.store.intake import accounts
from worker.store.models import Account, OperatorAction, TrackedProject
from worker.store.monitoring.job_heartbeats import record_heartbeat

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
    assert row["tracked_by"] == first.json()["project"]["tracked_by"] == "tests"


def test_a_second_request_says_what_it_added_and_what_it_left(api: httpx.Client) -> None:
    api.post("/v1/projects", json={"kind": "video", "project_id": ID})
    second = api.post("/v1/projects", json=ITEM).json()
    assert (second["added"], second["ignored"]) == (["credits_charged", "metadata"], [])
    third = api.post("/v1/projects", json=ITEM | {"metadata": {"order": 1}}).json()
    assert (third["added"], third["ignored"], third["note"]) == ([], ["metadata"], None)


def test_a_project_of_an_account_without_a_key_is_taken_and_says_what_it_waits_for(api: httpx.Client) -> None:
    answered = api.post("/v1/projects", json=ITEM | {"account": "nobody"})
    assert (answered.status_code, answered.json()["tracked"]) == (201, "new")
    assert answered.json()["note"].startswith("account 'nobody' has no API key")


def test_an_account_above_the_bound_is_no_conflict_and_does_not_wait(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "MOST_ACCOUNTS", 0)
    refused = ITEM | {"account": "nobody"}
    assert "this name is new" in problem(api.post("/v1/projects", json=refused), 422, "too_many_accounts")
    many = api.post("/v1/projects/bulk", json={"projects": [refused]}).json()
    assert (len(many["rejected"]), many["notes"]) == (1, [])


def test_metadata_that_is_nested_too_deep_is_refused(api: httpx.Client, web: Served) -> None:
    body = f'{{"kind": "video", "project_id": "{ID}", "metadata": {chr(123)}"a": {"[" * 20_000}{"]" * 20_000}}}}}'
    answered = api.post("/v1/projects", content=body, headers={"content-type": "application/json"})
    assert problem(answered, 422, "bad_request") == "metadata is nested deeper than 16 levels"
    assert stored(web.database, TrackedProject) == []


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ({"kind": "film", "project_id": ID}, "kind is 'film'; it must be video, image or audio"),
        ({"kind": "video", "project_id": "../x"}, "must be the id from the create call"),
        ({"kind": "video", "project_id": ID, "acount": "x"}, "did you mean account?"),
        ({"kind": "video", "project_id": ID, "notify": ["celery:other.task"]}, "is not allowed"),
        ([], "a request must be an object"),
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
    assert "already tracked for account 'default'" in problem(other, 409, "tracked_elsewhere")


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


_TWICE = '{"kind": "video", "project_id": "twice-0001", "metadata": {"k": [{"order": 1, "order": 1}]}}'


@pytest.mark.parametrize(
    ("path", "body"), [("/v1/projects", _TWICE), ("/v1/projects/bulk", f'{{"projects": [{_TWICE}]}}')]
)
def test_a_key_that_occurs_twice_is_named(api: httpx.Client, path: str, body: str) -> None:
    answered = api.post(path, content=body, headers={"content-type": "application/json"})
    said = problem(answered, 400, "bad_request")
    assert said == "the key 'order' occurs twice in one object; keep one of them"
    assert api.get("/v1/projects/video/twice-0001").status_code == 404


@pytest.mark.parametrize(
    ("headers", "status", "said"),
    [
        ({"content-type": "application/json; charset=utf-16"}, 415, "send JSON in UTF-8"),
        ({"content-type": "application/json", "content-encoding": "gzip"}, 415, "send the body uncompressed"),
        ({"content-type": 'application/json; charset="UTF-8"', "content-encoding": "identity"}, 422, "kind is"),
    ],
)
def test_what_is_not_plain_utf8_is_refused_with_what_to_send(
    api: httpx.Client, headers: dict[str, str], status: int, said: str
) -> None:
    code = "not_json" if status == 415 else "bad_request"
    assert said in problem(api.post("/v1/projects", content=b'{"kind": "x"}', headers=headers), status, code)


def test_a_running_project_says_when_it_is_expected_to_finish(api: httpx.Client, web: Served) -> None:
    path = f"/v1/projects/video/{ID}"
    assert api.post("/v1/projects", json=ITEM).json()["project"]["estimate"] is None
    fill(web.database)
    answer_all(web.database, seen("rendering", type="VIDEO_TO_VIDEO", created_at=None))
    project = Project.model_validate(api.get(path).json())
    assert project.estimate is not None
    assert project.estimate.source == "published"
    assert project.estimate.earliest_at < project.estimate.finish_at < project.estimate.latest_at
    assert api.get("/v1/projects").json()["data"][0]["estimate"]["source"] == "published"
    pass_time(web.database, 772)
    later = Project.model_validate(api.get(path).json())
    assert later.estimate is not None
    assert later.estimate.progress > project.estimate.progress
    answer_all(web.database, seen("complete", type="VIDEO_TO_VIDEO"))
    assert api.get(path).json()["estimate"] is None


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
    assert sorted(page(api, metadata=["order:1*", "team:x"])) == everything[10:20]
    assert sorted(page(api, metadata="team:a%*", limit=5)) == everything[:5]
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
    monkeypatch.setattr("worker.store.projects.search.WINDOW", 10)
    items = [
        {"kind": "video", "project_id": f"project-{n:04}", "metadata": {"odd": f"odd-{n % 24}-"}} for n in range(50)
    ]
    api.post("/v1/projects/bulk", json={"projects": items})
    for sort, expected in (("newest", ["project-0027", "project-0003"]), ("oldest", ["project-0003", "project-0027"])):
        found: list[str] = []
        cursor: dict[str, str] = {}
        pages = 0
        while True:
            pages += 1
            answered = api.get("/v1/projects", params={"text": "odd-3-", "sort": sort, **cursor}).json()
            found += [each["project_id"] for each in answered["data"]]
            if not answered["next_cursor"]:
                break
            assert answered["searched_back_to"]
            cursor = {"cursor": answered["next_cursor"]}
        assert found == expected
        assert pages == 5


@pytest.mark.parametrize("cursor", ["x", "bnVsbA", "W10", "WyJuZXdlc3QiLG51bGwsMWU5OTld", "🎬"])
def test_a_made_up_cursor_is_refused(api: httpx.Client, cursor: str) -> None:
    problem(api.get("/v1/projects", params={"cursor": cursor}), 400, "bad_cursor")


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


def test_why_a_project_is_not_checked_now(api: httpx.Client, web: Served) -> None:
    track(web.database, 1)
    path = "/v1/projects/video/project-000001/next-check"
    down = api.get(path).json()
    assert (down["waits_for"], down["reasons"]) == ("dispatch, which has never run: no beat runs", ["dispatch_down"])
    assert down["remedy"] == "renderwatch beat"
    with web.database.write() as connection:
        record_heartbeat(connection, "dispatch")
        connection.execute(update(TrackedProject).values(next_check_at=clock(connection) - timedelta(minutes=1)))
        connection.execute(update(Account).values(tokens=-1000, refilled_at=clock(connection)))
    assert api.get(path).json()["waits_for"].startswith("room in the rate limit of its account, which has 1 due check")
    assert api.get("/v1/projects/video/project-000002/next-check").status_code == 404
