import pytest

from worker.simulator import SimulatorOptions


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"failure_rate": 1.5}, "failure_rate must be between 0 and 1, not 1.5"),
        ({"draft_rate": -0.1}, "draft_rate must be between 0 and 1"),
        ({"correction_rate": float("nan")}, "correction_rate must be between 0 and 1"),
        ({"failure_rate": 0.6, "cancel_rate": 0.6}, "failure_rate and cancel_rate must not exceed 1 together"),
        ({"late_refund_rate": 0.9, "no_refund_rate": 0.2}, "late_refund_rate and no_refund_rate must not exceed 1"),
        ({"time_scale": 0.0}, "time_scale must be greater than 0"),
        ({"time_scale": float("inf")}, "time_scale must be greater than 0"),
        ({"spread": -1.0}, "spread must be 0 or greater"),
        ({"max_projects": 0}, "max_projects must be 1 or greater"),
        ({"account_credits": -1}, "account_credits must be 0 or greater"),
        ({"api_keys": frozenset()}, "api_keys must be a frozenset of at least one"),
        ({"api_keys": "one-key"}, "api_keys must be a frozenset of at least one"),
    ],
)
def test_a_wrong_option_is_refused_by_name(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SimulatorOptions(**wrong)  # type: ignore[arg-type] # wrong on purpose


def test_keys_stay_out_of_the_repr() -> None:
    assert "secret" not in repr(SimulatorOptions(api_keys=frozenset({"secret"})))
