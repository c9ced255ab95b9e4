"""Listing accounts, and resuming a paused one."""

from typing import Annotated

from fastapi import APIRouter, Path

from worker.domain.intake.identifiers import ACCOUNT_PATTERN
from worker.store.monitoring.schedule_report import read_accounts
from worker.store.projects import operator_actions
from worker.web.api import operator_schemas
from worker.web.api.access import Operator, Reader, TheWeb, actor
from worker.web.api.params import Reason
from worker.web.problems import ProblemError
from worker.web.strict_query import StrictQueryRoute

router = APIRouter(tags=["accounts"], route_class=StrictQueryRoute)
NamePath = Annotated[str, Path(pattern=ACCOUNT_PATTERN, examples=["default"])]


@router.get("/accounts", summary="List accounts")
def list_accounts(web: TheWeb, caller: Reader) -> operator_schemas.Accounts:  # noqa: ARG001  the scope
    """Return each account's rate limit, price and pause."""
    settings = web.settings
    with web.database.read() as connection:
        rows = read_accounts(connection, settings.target_detection_delay, settings.accounts)
    return operator_schemas.Accounts.model_validate(
        {"data": [row | {"rate": settings.rate * row["rate_factor"]} for row in rows]}
    )


@router.post("/accounts/{name}/resume", summary="Resume a paused account")
def resume(
    web: TheWeb,
    caller: Operator,
    name: NamePath,
    reason: Reason = None,
) -> operator_schemas.Done:
    """Resume with the next dispatch. Accounts also resume automatically once the cause is gone."""
    with web.database.write() as connection:
        known = operator_actions.resume_account(connection, name, actor(caller), reason)
    if not known:
        raise ProblemError(404, "no_account", f"there is no account {name!r}; GET /v1/accounts lists them")
    return operator_schemas.Done()
