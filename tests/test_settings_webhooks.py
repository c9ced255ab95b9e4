import json
from pathlib import Path

import pytest

from worker.settings import SettingsError, load_settings

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105  of these tests
HOOK = "https://hooks.example.com/renders"


def refusal(**settings: object) -> str:
    environ = {f"RENDERWATCH_{name.upper()}": json.dumps(value) for name, value in settings.items()}
    with pytest.raises(SettingsError) as raised:
        load_settings(environ, Path("/nowhere"))
    assert SECRET.removeprefix("whsec_")[:10] not in f"{raised.value!r} {raised.value}"
    return str(raised.value)


def test_a_secret_may_be_one_or_two(tmp_path: Path) -> None:
    secrets = {"https://hooks.example.com": SECRET, "https://*.example.org/a/*": [SECRET, SECRET + "AA=="]}
    file = tmp_path / "secrets"
    file.write_text(json.dumps(secrets), encoding="utf-8")
    settings = load_settings({"RENDERWATCH_WEBHOOK_SECRETS_FILE": str(file)}, tmp_path)
    assert [len(each) for each in settings.webhook_secrets.values()] == [1, 2]
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    "secret",
    ["", "s3cret-of-the-wrong-kind", "whsec_", "whsec_c2hvcnQ=", SECRET[6:], f"{SECRET}!", f"whsec_{'A' * 100}"],
)
def test_what_is_no_secret_is_refused_with_how_to_make_one(secret: str) -> None:
    answer = refusal(webhook_secrets={"https://hooks.example.com": secret})
    assert "the secret of https://hooks.example.com is invalid" in answer
    assert "openssl rand -base64 32" in answer


@pytest.mark.parametrize(
    ("secrets", "answer"),
    [
        ([SECRET], "RENDERWATCH_WEBHOOK_SECRETS: an object, written as JSON"),
        ({"https://hooks.example.com": []}, "must have one secret, or two"),
        ({"https://hooks.example.com": [SECRET] * 3}, "must have one secret, or two"),
        ({"hooks.example.com": SECRET}, "'hooks.example.com': it cannot be read"),
        ({"https://*": SECRET}, "its host has a *"),
        ({"https://user:s3cret@hooks.example.com": SECRET}, "a URL: it has a user or a password"),
    ],
)
def test_a_wrong_table_of_secrets_is_refused_with_what_to_write(secrets: object, answer: str) -> None:
    assert answer in refusal(webhook_secrets=secrets)


@pytest.mark.parametrize("networks", [["10.0.0.0/33"], ["hooks.example.com"], [""], ["10.0.0.0/8", "x"]])
def test_what_is_no_network_is_refused(networks: list[str]) -> None:
    assert "10.0.0.0/8" in refusal(webhook_allow_networks=networks)


def test_an_address_in_a_network_is_refused_with_both_meanings() -> None:
    told = refusal(webhook_allow_networks=["10.0.0.1/8"])
    assert told.endswith(
        "10.0.0.1/8 is an address in a network: write 10.0.0.0/8 for the network, or 10.0.0.1 for the address alone"
    )
    assert "write fd00::/8 for" in refusal(webhook_allow_networks=["fd00::1/8"])


def test_a_pattern_of_urls_that_callers_name_is_checked_at_the_start() -> None:
    assert "'https://*': its host has a *" in refusal(notify_allow=["celery:*", "https://*"])


def test_every_url_needs_a_secret() -> None:
    said = refusal(routes=[HOOK])
    assert "has no secret in RENDERWATCH_WEBHOOK_SECRETS" in said
    assert "https://hooks.example.com/…" in said  # the path may be a secret
    assert "https://*.example.com has no secret" in refusal(
        notify_allow=["https://*.example.com"], webhook_secrets={"https://hooks.example.com": SECRET}
    )


def test_plain_http_must_be_allowed() -> None:
    secrets = {"http://hooks:8000": SECRET}
    assert "is not encrypted" in refusal(routes=["http://hooks:8000/a"], webhook_secrets=secrets)
    environ = {
        "RENDERWATCH_ROUTES": '["http://hooks:8000/a"]',
        "RENDERWATCH_WEBHOOK_SECRETS": json.dumps(secrets),
        "RENDERWATCH_WEBHOOK_ALLOW_HTTP": "true",
    }
    assert load_settings(environ, Path("/nowhere")).routes == {"*": ["http://hooks:8000/a"]}
