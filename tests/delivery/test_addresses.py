import ipaddress

import pytest

from worker.delivery.addresses import why_refused


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("0.0.0.0", "unspecified"),  # noqa: S104  nobody binds to it
        ("10.1.2.3", "private"),
        ("100.64.0.1", "carrier-grade NAT"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("169.254.0.1", "link-local"),
        ("169.254.169.254", "metadata"),
        ("100.100.100.200", "metadata"),
        ("168.63.129.16", "metadata"),
        ("172.31.255.255", "private"),
        ("192.0.0.8", "special-purpose"),
        ("192.168.0.1", "private"),
        ("198.19.0.1", "benchmarks"),
        ("203.0.113.7", "documentation"),
        ("224.0.0.1", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::127.0.0.1", "special-purpose"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "metadata"),
        ("::ffff:0:10.0.0.1", "special-purpose"),
        ("64:ff9b::10.0.0.1", "private"),
        ("64:ff9b::a9fe:a9fe", "metadata"),
        ("64:ff9b:1::1", "special-purpose"),
        ("100::1", "special-purpose"),
        ("2001::7f00:1", "special-purpose"),
        ("2001:db8::1", "documentation"),
        ("2002:7f00:1::", "6to4"),
        ("3fff::1", "documentation"),
        ("fc00::1", "private"),
        ("fd00:ec2::254", "metadata"),
        ("fe80::1%eth0", "link-local"),
        ("fec0::1", "private"),
        ("ff02::1", "multicast"),
    ],
)
def test_what_is_not_public_is_refused_with_what_it_is(address: str, reason: str) -> None:
    why = why_refused(address, [])
    assert why is not None
    assert reason in why


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "172.32.0.1", "192.0.1.1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2606:4700::1"]
)
def test_public_addresses_are_allowed(address: str) -> None:
    assert why_refused(address, []) is None


def test_a_network_that_is_named_is_allowed_and_its_neighbours_are_not() -> None:
    allowed = [ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd12::/16")]
    assert why_refused("10.1.2.3", allowed) is None
    assert why_refused("::ffff:10.1.2.3", allowed) is None
    assert why_refused("fd12::1", allowed) is None
    assert why_refused("10.2.0.1", allowed) is not None
    assert why_refused("fd13::1", allowed) is not None


def test_a_metadata_service_must_be_named_by_itself() -> None:
    assert why_refused("169.254.169.254", [ipaddress.ip_network("0.0.0.0/0")]) is not None
    assert why_refused("169.254.169.254", [ipaddress.ip_network("169.254.169.254/32")]) is None
