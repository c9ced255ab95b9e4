"""The signature of Magic Hour's webhooks."""

import pytest

from worker.magic_hour.webhook_signature import is_signed, sign, trouble_with_headers

# Made with: printf '1700000000.{"type":"video.completed"}' | openssl dgst -sha256 -hmac whsec_example
BODY = b'{"type":"video.completed"}'
KNOWN = "06f809cfca15f74bd65e6bec73a1fa238927ffc1ec13491c2c26b7a1c4f732e6"


def test_it_is_what_openssl_makes_of_it() -> None:
    assert sign("whsec_example", "1700000000", BODY) == KNOWN


def test_either_secret_counts_during_a_rotation_and_no_other() -> None:
    signature = sign("new-secret", "1700000000", BODY)
    assert is_signed(["old-secret", "new-secret"], "1700000000", BODY, signature)
    assert is_signed(["new-secret", "old-secret"], "1700000000", BODY, signature.upper())
    assert not is_signed(["old-secret"], "1700000000", BODY, signature)
    assert not is_signed(["new-secret"], "1700000001", BODY, signature)
    assert not is_signed(["new-secret"], "1700000000", BODY + b" ", signature)
    assert not is_signed([], "1700000000", BODY, signature)


@pytest.mark.parametrize(
    ("timestamp", "signature", "trouble"),
    [
        ("1700000000", "a" * 64, None),
        ("1699999700", "a" * 64, None),
        ("1700000300", "a" * 64, None),
        ("1699999699", "a" * 64, "300 seconds"),
        ("1700000301", "a" * 64, "300 seconds"),
        ("", "a" * 64, "Unix seconds"),
        ("now", "a" * 64, "Unix seconds"),
        ("-1700000000", "a" * 64, "Unix seconds"),
        ("1700000000.5", "a" * 64, "Unix seconds"),
        ("\u0661" * 10, "a" * 64, "Unix seconds"),
        ("1" * 5000, "a" * 64, "Unix seconds"),
        ("1700000000", "", "64 hex digits"),
        ("1700000000", "v1=" + "a" * 64, "64 hex digits"),
        ("1700000000", "z" * 64, "64 hex digits"),
    ],
)
def test_headers_are_judged_before_the_body_is_read(timestamp: str, signature: str, trouble: str | None) -> None:
    said = trouble_with_headers(timestamp, signature, 1_700_000_000.0)
    assert said is None if trouble is None else trouble in (said or "")
