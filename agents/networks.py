"""Which addresses we call when somebody gives us a URL: public ones, and private ones only by allow-list."""

from __future__ import annotations

import ipaddress

from django.conf import settings

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

#: All that has been given out as global unicast; whatever is outside of it is special in some way.
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
#: IPv6 addresses that lead to the IPv4 address in their last four bytes.
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_allowed(text: str) -> bool:
    """Say whether we may connect to this IP address."""
    address = _innermost(ipaddress.ip_address(text.partition("%")[0]))
    allowed = (ipaddress.ip_network(cidr, strict=False) for cidr in settings.PERDURE_ALLOW_PRIVATE_CALLBACKS)
    return _is_public(address) or any(address in network for network in allowed)


def _innermost(address: IPAddress) -> IPAddress:
    """The IPv4 address that an IPv6 address stands for, if it stands for one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address


def _is_public(address: IPAddress) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and (
        address not in GLOBAL_UNICAST or address.teredo is not None
    ):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)
