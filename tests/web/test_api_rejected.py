import httpx

from tests.store.world import stored
from tests.web.conftest import Served
from worker.store.intake.rejections import store_rejections
from worker.store.models import OperatorAction, RejectedRequest, TrackedProject

ID = "cmb1xk2v80000l70"


def test_rejected_requests_are_read_corrected_and_deleted(api: httpx.Client, web: Served) -> None:
    with web.database.write() as connection:
        store_rejections(connection, [("not json", "no sense"), ('{"kind": "film"}', "no kind"), ("x", "no")])
    page = api.get("/v1/rejected", params={"limit": 2}).json()
    assert [row["request"] for row in page["data"]] == ["x", '{"kind": "film"}']
    (last,) = api.get("/v1/rejected", params={"before": page["next_before"]}).json()["data"]
    assert last["reason"] == "no sense"

    url = f"/v1/rejected/{last['id']}"
    assert api.post(f"{url}/retry").status_code == 422
    still = api.post(f"{url}/retry", json={"kind": "film", "project_id": ID}).json()
    assert (still["new"], len(still["rejected"])) == (0, 1)
    assert api.post(f"{url}/retry", json={"kind": "video", "project_id": ID}).json()["new"] == 1
    assert api.post(f"{url}/retry").status_code == api.delete(url).status_code == 404
    assert api.delete(f"/v1/rejected/{page['data'][0]['id']}").json() == {"done": True}
    assert len(stored(web.database, RejectedRequest)) == len(stored(web.database, TrackedProject)) == 1
    assert {row["action"] for row in stored(web.database, OperatorAction)} == {
        "retry rejected request",
        "clear rejected requests",
    }
