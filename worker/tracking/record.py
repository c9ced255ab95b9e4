"""Record: store the results of a batch, so that one result that cannot be stored does not affect the others."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from worker.domain.metrics import NO_TOTALS, Totals
from worker.domain.projects.observation import Answer, CheckFailure, FailureKind
from worker.domain.scheduling.schedule import Plan
from worker.store.engine import Database, StoreUnavailableError
from worker.store.projects.recording import Recorded, record_batch
from worker.store.projects.write_changes import Routes
from worker.store.scheduling.leases import Claim, Lease, end_lease
from worker.tracking.fault_isolation import attempt, log_failure


def record(
    database: Database,
    lease: Lease,
    answers: Mapping[int, Answer],
    plan: Plan,
    routes: Routes,
    *,
    found: bool = False,
    sent: Totals = NO_TOTALS,
) -> Recorded:
    """Store a batch in one transaction; project by project if that fails for any reason but the connection.

    A project that also fails on its own is marked with the reason, backs off, and is tried again later. ``found`` tells
    that the account itself was looked up and found, ``sent`` is what the caller counted of the requests. Raises
    StoreUnavailableError.
    """
    try:
        return database.transact(
            lambda connection: record_batch(connection, lease, answers, plan, routes, account_found=found, sent=sent)
        )
    except StoreUnavailableError:
        raise
    except Exception as error:  # noqa: BLE001  a bad value or a bug of ours must not affect other projects
        log_failure(f"storing a batch of {len(lease.claims)}", error)
    parts = [_record_one(database, lease, claim, answers, plan, routes, found=found) for claim in lease.claims]
    database.transact(lambda connection: end_lease(connection, lease.token, sent))
    return _sum(parts)


def _record_one(
    database: Database,
    lease: Lease,
    claim: Claim,
    answers: Mapping[int, Answer],
    plan: Plan,
    routes: Routes,
    *,
    found: bool,
) -> Recorded:
    alone = replace(lease, claims=(claim,))

    def store(given: Mapping[int, Answer]) -> Recorded:
        return database.transact(
            lambda connection: record_batch(connection, alone, given, plan, routes, account_found=found, ends=False)
        )

    which = f"{claim.kind} {claim.project_id}"
    try:
        return store({claim.id: answers[claim.id]} if claim.id in answers else {})
    except StoreUnavailableError:
        raise
    except Exception as error:  # noqa: BLE001  as above
        reason = log_failure(f"storing the answer about {which} alone", error)
    failure = CheckFailure(FailureKind.NOT_RECORDED, f"its answer could not be stored: {reason}")
    # If that cannot be stored either, the project becomes due when its lease expires.
    return attempt(f"marking {which}", lambda: store({claim.id: failure})) or Recorded()


def _sum(parts: list[Recorded]) -> Recorded:
    failures: Counter[FailureKind] = Counter()
    for part in parts:
        failures.update(part.failures)
    return Recorded(
        checked=sum(part.checked for part in parts),
        changed=sum(part.changed for part in parts),
        ended=sum(part.ended for part in parts),
        lost=sum(part.lost for part in parts),
        deliveries=sum(part.deliveries for part in parts),
        failures=failures,
        traced=[traced for part in parts for traced in part.traced],
    )
