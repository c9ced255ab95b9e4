import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.values import texts
from worker.domain.deliveries.webhook_url import (
    WebhookUrlError,
    is_webhook,
    parse_url_pattern,
    parse_webhook_url,
)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("https://hooks.example.com", "https://hooks.example.com/"),
        ("HTTPS://Hooks.Example.COM:443/Renders", "https://hooks.example.com/Renders"),
        ("http://hooks.example.com:80/a", "http://hooks.example.com/a"),
        ("https://hooks.example.com:8443/a=C%20d&e", "https://hooks.example.com:8443/a=C%20d&e"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
        ("https://hooks:8000/a%20b", "https://hooks:8000/a%20b"),
        ("https://127.0.0.1/", "https://127.0.0.1/"),
        ("https://[2001:DB8:0:0::1]:8443/", "https://[2001:db8::1]:8443/"),
        ("https://hooks.example.com/a.b/..c/d", "https://hooks.example.com/a.b/..c/d"),
    ],
)
def test_a_url_has_one_normal_form(text: str, normal: str) -> None:
    assert str(parse_webhook_url(text)) == normal
    assert parse_webhook_url(normal) == parse_webhook_url(text)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("https://", "host or port cannot be read"),
        ("https:hooks.example.com", "cannot be read"),
        ("https:///path", "host or port cannot be read"),
        ("ftp://hooks.example.com/", "cannot be read"),
        (" https://hooks.example.com/", "cannot be read"),
        ("https://hooks.example.com/\n", "cannot be read"),
        ("https://hooks.example.com/a b", "cannot be read"),
        ("https://hooks.example.com\\@internal/", "cannot be read"),
        ("https://hooks.example.com/a\\b", "cannot be read"),
        ("https://hooks.example.com/ä", "cannot be read"),
        ("https://bücher.example/", "international name as xn--"),
        ("https://hooks。example.com/", "host or port cannot be read"),
        ("https://user@hooks.example.com/", "a user or a password"),
        ("https://user:password@hooks.example.com/", "a user or a password"),
        ("https://hooks.example.com@internal/", "a user or a password"),
        ("https://hooks.example.com/#/a", "a query or a fragment"),
        ("https://internal#@hooks.example.com/", "a query or a fragment"),
        ("https://hooks.example.com./", "ends in a dot"),
        ("https://.example.com/", "is not a valid name"),
        ("https://a..example.com/", "is not a valid name"),
        ("https://-a.example.com/", "is not a valid name"),
        ("https://*.example.com/", r"only patterns"),
        (f"https://{'a' * 64}.example.com/", "is not a valid name"),
        (f"https://{'a.' * 127}example.com/", "is not a valid name"),
        ("https://hooks.example.com:0/", "port"),
        ("https://hooks.example.com:65536/", "port"),
        ("https://hooks.example.com:/", "host or port cannot be read"),
        ("https://hooks.example.com:8443a/", "host or port cannot be read"),
        ("https://hooks.example.com:+443/", "host or port cannot be read"),
        ("https://127.1/", "four decimal numbers"),
        ("https://0x7f000001/", "four decimal numbers"),
        ("https://0x7f.1/", "four decimal numbers"),
        ("https://2130706433/", "four decimal numbers"),
        ("https://0177.0.0.1/", "four decimal numbers"),
        ("https://127.0.0.0x1/", "four decimal numbers"),
        ("https://127.0.0.1./", "ends in a dot"),
        ("https://1.2.3.4.5/", "four decimal numbers"),
        ("https://256.1.1.1/", "four decimal numbers"),
        ("https://[::1/", "host or port cannot be read"),
        ("https://[::1%25eth0]/", "host or port cannot be read"),
        ("https://[1.2.3.4]/", "not an IPv6 address"),
        ("https://[:::]/", "not an IPv6 address"),
        ("https://hooks.example.com/a/../b", r"\. or \.\."),
        ("https://hooks.example.com/a/./b", r"\. or \.\."),
        ("https://hooks.example.com/a/..", r"\. or \.\."),
        ("https://hooks.example.com/a/%2e%2E/b", r"\. or \.\."),
        ("https://hooks.example.com/a/..;x/b", r"\. or \.\."),
        ("https://hooks.example.com/a%2Fb", "percent-encoded"),
        ("https://hooks.example.com/a%5cb", "percent-encoded"),
        ("https://hooks.example.com/a%0d%0aHost:x", "percent-encoded"),
        ("https://hooks.example.com/a%00", "percent-encoded"),
        ("https://hooks.example.com/100%", "%25"),
        ("https://hooks.example.com/?", "a query or a fragment"),
        ("https://hooks.example.com?token=1", "a query or a fragment"),
    ],
)
def test_a_url_that_programs_read_differently_is_answered_with_what_to_write(text: str, answer: str) -> None:
    with pytest.raises(WebhookUrlError, match=answer):
        parse_webhook_url(text)


def test_no_error_repeats_what_may_be_a_secret() -> None:
    for text in ("https://user:hunter2@host/", "https://host/?token=hunter2#", "https://host/hunter2/../"):
        with pytest.raises(WebhookUrlError) as raised:
            parse_webhook_url(text)
        assert "hunter2" not in str(raised.value)


@given(st.one_of(texts, texts.map("https://{}".format), texts.map("https://h/{}".format)))
def test_any_text_is_a_url_in_normal_form_or_a_clear_error(text: str) -> None:
    try:
        url = parse_webhook_url(text)
    except WebhookUrlError as error:
        str(error).encode()
    else:
        assert is_webhook(text)
        assert parse_webhook_url(str(url)) == url


# --- patterns -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "url", "allowed"),
    [
        ("https://hooks.example.com", "https://hooks.example.com/any/path", True),
        ("https://hooks.example.com", "HTTPS://HOOKS.EXAMPLE.COM:443/", True),
        ("https://hooks.example.com", "http://hooks.example.com/", False),
        ("https://hooks.example.com", "https://hooks.example.com:8443/", False),
        ("https://hooks.example.com:8443", "https://hooks.example.com:8443/", True),
        ("https://hooks.example.com", "https://hooks.example.com.evil.example/", False),
        ("https://hooks.example.com", "https://evil.example/hooks.example.com", False),
        ("https://hooks.example.com/renders", "https://hooks.example.com/renders", True),
        ("https://hooks.example.com/renders", "https://hooks.example.com/renders/7", False),
        ("https://hooks.example.com/renders/*", "https://hooks.example.com/renders/7/done", True),
        ("https://hooks.example.com/renders/*", "https://hooks.example.com/renders", False),
        ("https://hooks.example.com/*/done", "https://hooks.example.com/renders/7/done", True),
        ("https://hooks.example.com/*/done", "https://hooks.example.com/done", False),
        ("https://hooks.example.com/a*a", "https://hooks.example.com/a", False),
        ("https://*.example.com", "https://a.b.example.com/", True),
        ("https://*.example.com", "https://example.com/", False),
        ("https://*.example.com", "https://evilexample.com/", False),
        ("https://[::1]", "https://[0:0::1]/", True),
    ],
)
def test_a_pattern_compares_the_parts_of_a_url(pattern: str, url: str, *, allowed: bool) -> None:
    assert parse_url_pattern(pattern).covers(parse_webhook_url(url)) is allowed


@pytest.mark.parametrize(
    "pattern",
    ["https://*", "https://*/", "https://*.com", "https://a.*.com", "https://*.1.2.3.4", "https://*example.com"],
)
def test_a_star_in_a_host_stands_for_subdomains_of_a_domain_alone(pattern: str) -> None:
    with pytest.raises(WebhookUrlError, match="its host"):
        parse_url_pattern(pattern)


def test_many_stars_are_compared_quickly() -> None:
    pattern = parse_url_pattern(f"https://hooks.example.com/{'*a' * 100}b")
    assert not pattern.covers(parse_webhook_url(f"https://hooks.example.com/{'a' * 250}"))


@pytest.mark.parametrize(
    ("one", "other", "covers"),
    [
        ("https://hooks.example.com", "https://hooks.example.com/renders/*", True),
        ("https://hooks.example.com/renders/*", "https://hooks.example.com", False),
        ("https://hooks.example.com/*", "https://hooks.example.com", True),
        ("https://*.example.com", "https://hooks.example.com/a", True),
        ("https://*.example.com", "https://*.eu.example.com", True),
        ("https://*.eu.example.com", "https://*.example.com", False),
        ("https://hooks.example.com", "https://*.example.com", False),
    ],
)
def test_a_pattern_covers_a_narrower_one(one: str, other: str, *, covers: bool) -> None:
    assert parse_url_pattern(one).covers(parse_url_pattern(other)) is covers


def test_the_most_specific_pattern_is_the_greatest() -> None:
    patterns = [
        "https://*.example.com",
        "https://a.example.com",
        "https://a.example.com/x",
        "https://*.b.example.com/y",
    ]
    ordered = sorted(map(parse_url_pattern, patterns), key=lambda pattern: pattern.specificity)
    assert ordered[-1] == parse_url_pattern("https://a.example.com/x")
    assert ordered[0] == parse_url_pattern("https://*.example.com")
