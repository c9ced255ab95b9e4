"""The tables. Magic Hour's enumerations are open text; ours have CHECK constraints."""

from worker.store.models.base import Base
from worker.store.models.deliveries import Delivery, Destination
from worker.store.models.dictionary import describe
from worker.store.models.history import CreditAdjustment, Event, StatusTransition
from worker.store.models.ledger import (
    BalanceSample,
    ClosedDays,
    CreditDailyTotal,
    RenderDuration,
    RetiredCredit,
    RetiringProject,
    SettlingRate,
)
from worker.store.models.operation import (
    ApiToken,
    FeedOffset,
    Heartbeat,
    InvariantScan,
    MetricTotal,
    OperatorAction,
    PendingHint,
    RejectedRequest,
    RequestMinute,
    SqlTrackRequest,
    WebSession,
)
from worker.store.models.projects import Account, Lease, MetadataFill, MetadataValue, TrackedProject

__all__ = [
    "Account",
    "ApiToken",
    "BalanceSample",
    "Base",
    "ClosedDays",
    "CreditAdjustment",
    "CreditDailyTotal",
    "Delivery",
    "Destination",
    "Event",
    "FeedOffset",
    "Heartbeat",
    "InvariantScan",
    "Lease",
    "MetadataFill",
    "MetadataValue",
    "MetricTotal",
    "OperatorAction",
    "PendingHint",
    "RejectedRequest",
    "RenderDuration",
    "RequestMinute",
    "RetiredCredit",
    "RetiringProject",
    "SettlingRate",
    "SqlTrackRequest",
    "StatusTransition",
    "TrackedProject",
    "WebSession",
]

describe(Base.metadata)
