import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.projects.ledger import HUGE, adjust
from worker.domain.projects.status import KINDS, Kind

totals = st.integers(-(2**63), 2**63 - 1)
words = st.sampled_from([None, "draft", "queued", "rendering", "complete", "error", "canceled", "upscaling"])


@pytest.mark.parametrize(
    ("kind", "known", "observed", "status", "closed", "reason", "amount"),
    [
        # At first sight a running video's price is an estimate; all other prices are charges.
        ("video", None, 450, None, False, "estimate", 450),
        ("video", None, 450, "rendering", False, "estimate", 450),
        ("video", None, 450, "upscaling", False, "estimate", 450),
        ("video", None, 450, "complete", False, "charge", 450),
        ("video", None, 450, "error", False, "charge", 450),
        ("image", None, 5, "queued", False, "charge", 5),
        ("audio", None, 0, "queued", False, "charge", 0),
        # While it runs, a price is an estimate; at the end it is final, up or down.
        ("video", 450, 360, "rendering", False, "estimate", -90),
        ("video", 450, 360, "complete", False, "final", -90),
        ("video", 450, 900, "complete", False, "final", 450),
        # What comes back after a failure is a refund, in part or in whole.
        ("video", 450, 200, "error", False, "refund", -250),
        ("video", 450, 0, "error", False, "refund", -450),
        ("image", 5, 0, "canceled", False, "refund", -5),
        ("video", 0, 1, "error", False, "charge", 1),
        # After closing, a refund is a refund still; everything else is a correction.
        ("video", 450, 0, "error", True, "refund", -450),
        ("video", 450, 200, "canceled", True, "refund", -250),
        ("video", 0, 450, "error", True, "correction", 450),
        ("video", 450, 360, "complete", True, "correction", -90),
    ],
)
def test_each_change_has_its_reason(
    *, kind: Kind, known: int | None, observed: int, status: str | None, closed: bool, reason: str, amount: int
) -> None:
    entry = adjust(known, observed, kind=kind, status=status, closed=closed)
    assert entry is not None
    assert (entry.reason, entry.amount, entry.total, entry.flagged) == (reason, amount, observed, False)


@pytest.mark.parametrize("observed", [-1, -450, HUGE + 1, 2**63 - 1])
@pytest.mark.parametrize("known", [None, 450])
def test_what_looks_absurd_is_stored_as_seen_and_flagged(known: int | None, observed: int) -> None:
    entry = adjust(known, observed, kind="video", status="complete", closed=False)
    assert entry is not None
    assert entry.flagged
    assert entry.total == observed


@pytest.mark.parametrize("observed", [0, HUGE])
def test_the_limits_of_what_looks_right_are_not_flagged(observed: int) -> None:
    entry = adjust(450, observed, kind="video", status="complete", closed=False)
    assert entry is not None
    assert not entry.flagged


@given(total=totals, kind=st.sampled_from(KINDS), status=words, closed=st.booleans())
def test_no_change_makes_no_row(*, total: int, kind: Kind, status: str | None, closed: bool) -> None:
    assert adjust(total, total, kind=kind, status=status, closed=closed) is None


@given(known=st.none() | totals, observed=totals, kind=st.sampled_from(KINDS), status=words, closed=st.booleans())
def test_the_amount_leads_from_the_known_total_to_the_observed(
    *, known: int | None, observed: int, kind: Kind, status: str | None, closed: bool
) -> None:
    entry = adjust(known, observed, kind=kind, status=status, closed=closed)
    assert (known or 0) + (entry.amount if entry else 0) == observed
    assert entry is None or entry.total == observed
