"""Every endpoint keeps what the OpenAPI document says, whatever it is sent."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from tests.store.world import request, seen, track
from tests.web.conftest import Served, answer_all, inner_app, served, token_for
from worker.domain.access_tokens import SCOPES
from worker.settings import Settings
from worker.store.engine import Database
from worker.web.api.openapi import document
from worker.web.app import create_app

NOT_FUZZED = ("/v1/events",)  # a stream that does not end; tests/web/test_waiting.py has it


@pytest.fixture
def running(postgres_url: str) -> Iterator[tuple[Served, str]]:
    database = Database(postgres_url)
    track(database, request(1), request(2, kind="image", account="studio"))
    answer_all(database, seen("rendering"), seen("complete", 300))
    with served(database, web_rate=100_000, web_burst=1_000_000) as web:
        yield web, token_for(database, *SCOPES)
    database.close()


# No schema can say which accounts have a key, or which destinations an operator allows.
NOT_CHECKED = (ignored_auth, positive_data_acceptance)


def _schema() -> Any:  # noqa: ANN401  schemathesis types it as it likes
    app: Any = create_app(Settings(), Database("sqlite://"))
    # Our token goes along with each request, so leaving it out would test nothing; tests/web/test_middleware.py does.
    with_token = {name: value for name, value in document(inner_app(app)).items() if name != "security"}
    return schemathesis.openapi.from_dict(with_token).exclude(path=list(NOT_FUZZED))


schema = _schema()


@schema.hook  # type: ignore[untyped-decorator]
def filter_query(context: schemathesis.HookContext, query: dict[str, Any]) -> bool:  # noqa: ARG001  its signature
    """Leave out parameters that a URL cannot hold: without a value, nothing of them is sent, and nothing is wrong."""
    return not query or all(value not in ([], {}, None) for value in query.values())


@schema.parametrize()  # type: ignore[untyped-decorator]
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_the_document_is_kept(case: schemathesis.Case[Any], running: tuple[Served, str]) -> None:
    web, token = running
    case.call_and_validate(
        base_url=web.url, headers={"authorization": f"Bearer {token}"}, excluded_checks=list(NOT_CHECKED)
    )
