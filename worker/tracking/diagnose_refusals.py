"""What a refusal, a 404 or an API that fails is about: the project, the account, or the base URL."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from worker.domain.projects.observation import Answer, CheckFailure, FailureKind, Observation
from worker.domain.scheduling.rate_limit import opens_circuit

REFUSALS: Final = frozenset({FailureKind.UNAUTHORIZED, FailureKind.PAYMENT_REQUIRED})
_DOUBTFUL: Final = REFUSALS | {FailureKind.NOT_FOUND}
# An account that was found within this many seconds is assumed to still exist.
RECENTLY: Final = 60.0
_OWN: Final = "but the account's key works: this project alone is refused"
_OWN_OUTAGE: Final = "but the API answers about the account"
_NOTHING: Final = (
    "the API finds neither this project nor the account (404): check MAGIC_HOUR_BASE_URL, which ends before /v1, and"
    " the gateway in front of the API"
)


def diagnose_outage(
    answers: Mapping[int, Answer], ask_account: Callable[[], CheckFailure | None], failure_streak: int
) -> tuple[dict[int, Answer], bool]:
    """Return the answers, and whether the account was looked up and found although they would open its circuit.

    Then the API works, and what fails are these projects. ``failure_streak`` is the account's before the batch.
    """
    kinds = Counter(each.kind for each in answers.values() if isinstance(each, CheckFailure))
    successes = len(answers) - kinds.total() + kinds[FailureKind.NOT_FOUND]
    opens = opens_circuit(failure_streak, kinds[FailureKind.UNAVAILABLE], successes)
    if not opens or kinds[FailureKind.RATE_LIMITED] or ask_account() is not None:
        return dict(answers), False
    return {id_: _unavailable_alone(answer) for id_, answer in answers.items()}, True


def _unavailable_alone(answer: Answer) -> Answer:
    if isinstance(answer, Observation) or answer.kind is not FailureKind.UNAVAILABLE:
        return answer
    return replace(answer, detail=f"{answer.detail}, {_OWN_OUTAGE}")


def diagnose_refusals(
    answers: Mapping[int, Answer], ask_account: Callable[[], CheckFailure | None], answered_ago: float
) -> tuple[dict[int, Answer], bool]:
    """Return the answers with refusals and 404s replaced by their meaning.

    Also returns whether the account was looked up and found. An observation in the batch proves that key and base URL
    are good. Without one, the account is looked up, but not because of 404s alone if it was found a moment ago:
    ``answered_ago`` is in seconds.
    """
    found = any(isinstance(answer, Observation) for answer in answers.values())
    doubtful = {each.kind for each in answers.values() if isinstance(each, CheckFailure)} & _DOUBTFUL
    if not doubtful or (not found and not doubtful & REFUSALS and answered_ago < RECENTLY):
        return dict(answers), False
    account = None if found else ask_account()
    meant = {id_: _meaning(answer, account, answered_ago) for id_, answer in answers.items()}
    return meant, account is None and not found


def _meaning(answer: Answer, account: CheckFailure | None, answered_ago: float) -> Answer:
    """Return what an answer means, given the result of looking up the account."""
    if isinstance(answer, Observation) or answer.kind not in _DOUBTFUL:
        return answer
    if account is None:
        return _refused_alone(answer) if answer.kind in REFUSALS else answer
    if account.kind is FailureKind.NOT_FOUND:
        return _without_account(answer, answered_ago)
    if account.kind in REFUSALS:
        return account if answer.kind in REFUSALS else answer
    if account.kind in {FailureKind.NOT_SENT, FailureKind.RATE_LIMITED}:
        return answer if account.kind is FailureKind.NOT_SENT else account
    detail = f"{answer.detail}, and the account cannot be asked for: {account.detail}"
    return replace(answer, kind=FailureKind.UNAVAILABLE, detail=detail)


def _without_account(failure: CheckFailure, answered_ago: float) -> CheckFailure:
    """Return what a failure means if the account is not found; perhaps this API has no such endpoint."""
    if failure.kind is FailureKind.NOT_FOUND:
        return replace(failure, kind=FailureKind.NOTHING_FOUND, detail=_NOTHING)
    return _refused_alone(failure) if answered_ago < RECENTLY else failure


def _refused_alone(failure: CheckFailure) -> CheckFailure:
    return replace(failure, kind=FailureKind.FORBIDDEN, detail=f"{failure.detail}, {_OWN}")
