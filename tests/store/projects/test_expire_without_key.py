"""Projects of an account that never gets an API key come to an end too."""

from pydantic import SecretStr

from tests.store.checking import SETTINGS
from tests.store.row_checks import assert_sound
from tests.store.world import ROUTES, answer, of, pass_time, project, request, seen, stored, track
from worker.settings import Settings
from worker.store.engine import Database
from worker.store.models import Event
from worker.tracking.maintenance import expire_keyless

WEEK = SETTINGS.give_up_after


def test_a_project_without_a_key_expires_after_a_week_and_says_why(database: Database) -> None:
    track(database, request(1, account="studio"))
    pass_time(database, WEEK - 60)
    assert expire_keyless(database, SETTINGS) == 0
    pass_time(database, 120)
    assert expire_keyless(database, SETTINGS) == 1
    found = project(database)
    assert (found["state"], found["close_reason"], found["next_check_at"]) == ("closed", "expired", None)
    assert found["last_problem_detail"] == "account 'studio' has no API key"
    (event,) = stored(database, Event)
    assert (event["type"], event["payload"]["reason"]["detail"]) == (
        "project.expired",
        "account 'studio' has no API key",
    )
    assert expire_keyless(database, SETTINGS) == 0
    assert_sound(database, ROUTES)


def test_what_another_worker_checks_does_not_expire(database: Database) -> None:
    track(database, request(1))
    pass_time(database, WEEK + 60)
    answer(database, seen("rendering"))
    elsewhere = Settings(magic_hour_api_keys={"studio": SecretStr("another-key")}, routes=ROUTES)
    assert expire_keyless(database, elsewhere) == 0


def test_a_process_without_keys_expires_nothing(database: Database) -> None:
    track(database, request(1, account="studio"))
    pass_time(database, WEEK + 60)
    assert expire_keyless(database, Settings()) == 0
    assert of([project(database)], "state") == ["active"]
