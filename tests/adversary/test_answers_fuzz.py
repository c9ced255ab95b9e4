"""Any JSON value in any field: no exception, every neighbour recorded, and what is bad says why."""

import itertools
import json
from typing import Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.adversary.stand_in import assert_recorded, check_due, stand_in
from tests.domain.values import json_values, texts
from tests.magic_hour.bodies import VIDEO
from tests.magic_hour.server import Answer, reply
from tests.store.row_checks import assert_sound
from tests.store.world import ROUTES, make_due, name, project, track
from worker.domain.projects.status import TERMINAL
from worker.store.engine import Database

_numbers: Final = itertools.count(10)
_HUGE: Final = [2**31, 2**63, -(2**63) - 1, 10**400, 1e308, float("nan"), float("inf"), "9" * 99, "-1e99999", 450.5]
_LONG: Final = [text * 3000 for text in ("x", "\x00", "\ud800", "\U0001f600", "\u202e", "'", "\n")]
_MANY: Final = [[None] * 1500, {"url": "x" * 9000}, [{"url": "u"}] * 1200]
values: Final = json_values | st.sampled_from([*_HUGE, *_LONG, *_MANY])
fields: Final = st.sampled_from([*VIDEO, "error.code", "error.message", "downloads.url", "downloads.expires_at"])
changes: Final = st.dictionaries(fields, values, max_size=6)
statuses: Final = st.sampled_from([200] * 8 + [201, 204, 302, 400, 401, 402, 403, 404, 408, 422, 429, 500, 503])
bodies: Final = changes.map(lambda fields: ("fields", fields)) | json_values.map(lambda body: ("whole", body))


def body_of(id_: str, how: str, what: Any) -> bytes:  # noqa: ANN401  any JSON value
    if how == "whole":
        return json.dumps(what).encode()
    body: dict[str, Any] = {**VIDEO, "id": id_, "error": {"code": "c", "message": "m"}}
    for field, value in what.items():
        outer, _, inner = field.partition(".")
        if outer == "downloads" and inner:
            body["downloads"] = [{**VIDEO["downloads"][0], inner: value}]
        elif inner and isinstance(body.get(outer), dict):
            body[outer] = {**body[outer], inner: value}
        else:
            body[outer] = value
    return json.dumps(body).encode()


def answer(status: int, body: bytes, retry_after: str) -> Answer:
    header = "".join(each for each in retry_after if each.isascii() and each.isprintable())
    return reply(status, b"" if status == 204 else body, Retry_After=header)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(answers=st.lists(st.tuples(statuses, bodies, texts), min_size=1, max_size=6))
def test_no_answer_raises_or_keeps_a_neighbour_from_being_recorded(
    database: Database, answers: list[tuple[int, tuple[str, Any], str]]
) -> None:
    first, *numbers, last = (next(_numbers) for _ in range(len(answers) + 2))
    track(database, first, *numbers, last)
    with stand_in() as api:
        for number, (status, (how, what), retry_after) in zip(numbers, answers, strict=True):
            api.answers[name(number)] = answer(status, body_of(name(number), how, what), retry_after)
        (recorded,) = check_due(database, api)
        assert recorded.checked == len(answers) + 2
        assert_recorded(database, first, last)
        for number in numbers:
            _assert_visible(project(database, number))
        assert_sound(database, ROUTES)
        api.answers.clear()
        _rest(database)
        check_due(database, api)
    for number in numbers:
        assert project(database, number)["state"] in {"settling", "closed"}
    _retire(database)


def _rest(database: Database) -> None:
    """Let the account resume, and everything be due."""
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE accounts SET paused_until = NULL, pause_reason = NULL, pause_detail = NULL")
    make_due(database)


def _retire(database: Database) -> None:
    """Let no later example meet the projects of this one."""
    with database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE tracked_projects SET state = 'closed', close_reason = 'settled', closed_at = tracked_at,"
            " next_check_at = NULL WHERE state <> 'closed'"
        )
        connection.exec_driver_sql("UPDATE tracked_projects SET next_check_at = NULL")
        connection.exec_driver_sql("UPDATE accounts SET paused_until = NULL, pause_reason = NULL, pause_detail = NULL")


def _assert_visible(found: dict[str, Any]) -> None:
    assert found["last_problem"] != "not_recorded", found["last_problem_detail"]
    if found["last_problem"] is None:
        assert found["status"] is not None
        assert abs(found["credits_charged"] or 0) <= 10**12
        assert found["status"] in TERMINAL or found["state"] != "settling"
    else:
        assert found["last_problem_detail"]
        assert len(found["last_problem_message"] or "") <= 500
