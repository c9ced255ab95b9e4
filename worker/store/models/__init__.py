"""The tables. Remote enumerations are open text; our own are closed by CHECK constraints."""

from worker.store.dictionary import describe
from worker.store.models.base import Base
from worker.store.models.books import (
    BalanceSample,
    Books,
    CreditDailyTotal,
    RenderDuration,
    RetiredCredit,
    RetiringProject,
)
from worker.store.models.history import CreditAdjustment, Delivery, Event, StatusTransition
from worker.store.models.operation import (
    ApiToken,
    Heartbeat,
    OperatorAction,
    RejectedRequest,
    RequestMinute,
    WebSession,
)
from worker.store.models.projects import Account, Lease, TrackedProject

__all__ = [
    "Account",
    "ApiToken",
    "BalanceSample",
    "Base",
    "Books",
    "CreditAdjustment",
    "CreditDailyTotal",
    "Delivery",
    "Event",
    "Heartbeat",
    "Lease",
    "OperatorAction",
    "RejectedRequest",
    "RenderDuration",
    "RequestMinute",
    "RetiredCredit",
    "RetiringProject",
    "StatusTransition",
    "TrackedProject",
    "WebSession",
]

describe(Base.metadata)
