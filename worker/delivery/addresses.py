"""The addresses to which webhooks may be sent: public ones, and networks named in a setting."""

import ipaddress
from collections.abc import Sequence
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# IANA's special-purpose blocks. ipaddress.is_global is not used: its answers differ between Python releases.
_SPECIAL_V4: Final = {
    ipaddress.IPv4Network(network): purpose
    for network, purpose in {
        "0.0.0.0/8": "an unspecified address",
        "10.0.0.0/8": "a private address",
        "100.64.0.0/10": "an address behind carrier-grade NAT",
        "127.0.0.0/8": "a loopback address",
        "169.254.0.0/16": "a link-local address",
        "172.16.0.0/12": "a private address",
        "192.0.0.0/24": "a special-purpose address",
        "192.0.2.0/24": "an address for documentation",
        "192.88.99.0/24": "a 6to4 relay",
        "192.168.0.0/16": "a private address",
        "198.18.0.0/15": "an address for benchmarks",
        "198.51.100.0/24": "an address for documentation",
        "203.0.113.0/24": "an address for documentation",
        "224.0.0.0/4": "a multicast address",
        "240.0.0.0/4": "a reserved address",
    }.items()
}
# In IPv6, only global unicast is public, except for these.
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_SPECIAL_V6: Final = {
    ipaddress.IPv6Network(network): purpose
    for network, purpose in {
        "2001::/23": "a special-purpose address",  # Teredo and ORCHID are in it
        "2001:db8::/32": "an address for documentation",
        "2002::/16": "a 6to4 address",
        "3fff::/20": "an address for documentation",
    }.items()
}
# Allowing a network that contains one of these does not allow the address: it must be named itself.
_METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        (
            "169.254.169.254",
            "169.254.170.2",
            "169.254.170.23",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
        ),
    )
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_LOWEST_32_BITS: Final = 0xFFFF_FFFF


def why_refused(text: str, allowed: Sequence[Network]) -> str | None:
    """Return why nothing may be sent to an address, or None if it may. ``allowed`` are networks that may be reached.

    An IPv6 address that only carries an IPv4 address (mapped, or NAT64) is treated as the latter. Raises ValueError for
    text that is not an address.
    """
    address = _target(ipaddress.ip_address(text.partition("%")[0]))
    listed = [network for network in allowed if address.version == network.version and address in network]
    if address in _METADATA:
        named = any(network.num_addresses == 1 for network in listed)
        return None if named else "the address of a cloud's metadata service"
    return None if listed else _purpose(address)


def _target(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & _LOWEST_32_BITS)
    return address


def _purpose(address: Address) -> str | None:
    """Return the purpose of a non-public address."""
    if isinstance(address, ipaddress.IPv4Address):
        return next((purpose for network, purpose in _SPECIAL_V4.items() if address in network), None)
    if address not in _GLOBAL_UNICAST:
        return next((name for name, holds in _kinds(address).items() if holds), "a special-purpose address")
    return next((purpose for network, purpose in _SPECIAL_V6.items() if address in network), None)


def _kinds(address: ipaddress.IPv6Address) -> dict[str, bool]:
    return {
        "an unspecified address": address.is_unspecified,
        "a loopback address": address.is_loopback,
        "a link-local address": address.is_link_local,
        "a multicast address": address.is_multicast,
        "a private address": address in ipaddress.IPv6Network("fc00::/7") or address.is_site_local,
    }
