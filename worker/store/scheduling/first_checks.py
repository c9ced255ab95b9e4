"""When new projects are checked first: at once, unless their type is named and its durations have been learned."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeAlias

from sqlalchemy import Connection, select

from worker.domain.intake.request import TrackRequest
from worker.domain.scheduling.schedule import Plan, first_gap
from worker.store.models import Account

# An account, a kind and a type.
Group: TypeAlias = tuple[str, str, str | None]
# Seconds until the first check.
Gaps: TypeAlias = Mapping[Group, float]


def first_gaps(connection: Connection, requests: Iterable[TrackRequest], plan: Plan) -> Gaps:
    """Return the gaps for requests that name a type, at their account's price of a request."""
    typed = {group_of(each) for each in requests if each.type is not None}
    if not typed:
        return {}
    names = {account for account, _, _ in typed}
    rows = connection.execute(select(Account.name, Account.price).where(Account.name.in_(names)))
    plans = {name: replace(plan, price=price) for name, price in rows}
    return {(account, kind, type_): first_gap(plans[account], kind, type_) for account, kind, type_ in typed}


def group_of(request: TrackRequest) -> Group:
    """Return what requests with the same gap have in common."""
    return request.account, request.kind, request.type
