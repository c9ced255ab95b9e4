"""The accounts, and lifting a pause."""

from typing import Annotated

from fastapi import APIRouter, Path

from worker.store import operations
from worker.store.timing import read_accounts
from worker.web.api import schemas
from worker.web.api.access import Operator, Reader, TheWeb, actor
from worker.web.api.params import Reason
from worker.web.problems import ProblemError

router = APIRouter(tags=["accounts"])
NamePath = Annotated[str, Path(pattern="^[a-z0-9][a-z0-9_-]{0,62}$", examples=["default"])]


@router.get("/accounts", summary="List the accounts")
def list_accounts(web: TheWeb, caller: Reader) -> schemas.Accounts:  # noqa: ARG001  the scope
    """Return each account's allowance, price and pause."""
    settings = web.settings
    with web.database.read() as connection:
        rows = read_accounts(connection, settings.target_detection_delay)
    more = [{"has_key": row["name"] in settings.accounts, "rate": settings.rate * row["rate_factor"]} for row in rows]
    return schemas.Accounts.model_validate({"data": [row | extra for row, extra in zip(rows, more, strict=True)]})


@router.post("/accounts/{name}/resume", summary="Lift the pause of an account")
def resume(
    web: TheWeb,
    caller: Operator,
    name: NamePath,
    reason: Reason = None,
) -> schemas.Done:
    """Ask for it again with the next dispatch. Accounts also resume by themselves once the cause is gone."""
    with web.database.write() as connection:
        known = operations.resume_account(connection, name, actor(caller), reason)
    if not known:
        raise ProblemError(404, "no_account", f"there is no account {name!r}; GET /v1/accounts lists them")
    return schemas.Done()
