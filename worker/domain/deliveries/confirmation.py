"""What a consumer reports of a delivery, when its task is done."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

Outcome = Literal["succeeded", "failed"]
_LARGEST: Final = 2**63 - 1
_LONGEST_TOKEN: Final = 64
_FIELDS: Final = {"delivery", "attempt", "token", "outcome"}


@dataclass(frozen=True, slots=True)
class Confirmation:
    """``attempt`` counts the attempts of the delivery; ``token`` proves that the message came with it."""

    delivery: int
    attempt: int
    token: str
    outcome: Outcome


def read_confirmation(fields: Mapping[str, object]) -> Confirmation | None:
    """Read the fields of a confirmation; None if they are not a valid confirmation."""
    if fields.keys() != _FIELDS:
        return None
    delivery, attempt, token, outcome = (fields[name] for name in ("delivery", "attempt", "token", "outcome"))
    if not (_is_number(delivery) and _is_number(attempt) and isinstance(token, str) and token.isascii()):
        return None
    if outcome not in get_args(Outcome) or not 0 < len(token) <= _LONGEST_TOKEN:
        return None
    return Confirmation(delivery, attempt, token, outcome)  # type: ignore[arg-type]  # all are checked


def _is_number(value: object) -> bool:
    return type(value) is int and 0 < value <= _LARGEST
