"""Why a check failed or an account is paused, and what was odd in an answer: as CLI, HTTP API and page say it."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from tests.adversary.stand_in import check_due, refusal, stand_in
from tests.cli.conftest import Run, run  # noqa: F401  a fixture
from tests.store.world import change, name, pass_time, track
from tests.web.conftest import served
from tests.web.test_pages import log_in
from worker.store.engine import Database

OURS = "the API forbids this with the account's key (403), but the account's key works: this project alone is refused"
THEIRS = "plan_upgrade_required: Upgrade"


def test_why_a_check_failed_is_said_at_every_door(database: Database, run: Run) -> None:  # noqa: F811  the fixture
    track(database, 1, 2)
    with stand_in() as api:
        api.answers[name(1)] = refusal(403, "plan_upgrade_required", "Upgrade")
        api.bodies[name(2)] = {"width": "512", "status": "upscaling"}
        check_due(database, api)
    change(database, 1, next_check_at=datetime.now(UTC) + timedelta(hours=1))  # not over yet on a slow machine either
    for command in ("show", "explain"):
        said = " ".join(run(command, name(1)).out.split())
        assert OURS in said.replace("│ ", "")
        assert THEIRS in said
        assert "status, width" in run(command, name(2)).out
    told = run("explain", name(1), "--json").json
    assert (told["problem"]["detail"], told["problem"]["message"], told["problem"]["failed_checks"]) == (
        OURS,
        THEIRS,
        1,
    )
    with served(database) as web, web.client("read") as client, log_in(web, "read") as browser:
        problem = client.get(f"/v1/projects/video/{name(1)}").json()["problem"]
        assert (problem["kind"], problem["detail"], problem["message"]) == ("forbidden", OURS, THEIRS)
        assert problem["since"] == problem["at"]
        assert client.get(f"/v1/projects/video/{name(2)}").json()["odd_fields"] == ["status", "width"]
        page = browser.get(f"/projects/video/{name(1)}").text
        assert "this project alone is refused" in page
        assert THEIRS in page
        assert "its back-off to end after a failed check" in page
        assert "learned from" not in page
        assert "status, width" in browser.get(f"/projects/video/{name(2)}").text


def test_why_an_account_is_paused_is_said_with_the_apis_own_words(
    database: Database,
    run: Run,  # noqa: F811  the fixture
) -> None:
    track(database, 1)
    with stand_in() as api:
        api.everything = refusal(401, "unauthorized", "Key revoked")
        check_due(database, api)
    assert "Key revoked" in run("accounts", "--json").json[0]["pause_detail"]
    with database.read() as connection:
        detail = connection.execute(text("SELECT pause_detail FROM account_status")).scalar_one()
    assert detail.endswith("(401): unauthorized: Key revoked")
    with served(database) as web, web.client("read") as client, log_in(web, "read") as browser:
        assert "Key revoked" in client.get("/v1/accounts").json()["data"][0]["pause_detail"]
        assert "Key revoked" in browser.get("/accounts").text
    pass_time(database, 61)
    with stand_in() as api:
        for _ in range(2):
            check_due(database, api)
            pass_time(database, 61)
    assert "Key revoked" not in str(run("accounts", "--json").json)
