"""Where agents in http mode are called: checked when it is set, and again whenever it is called."""

from __future__ import annotations

import ipaddress
import secrets
from urllib.parse import urlsplit

from django.conf import settings

from agents.errors import Invalid

LONGEST = 2048


def check(url: str) -> str:
    """Return the URL if we would call it.

    Raises:
        Invalid: it is no URL, carries credentials, or points into a private network that is not allowed.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise _invalid("it is not a URL") from None
    if len(url) > LONGEST or not url.isprintable() or " " in url:
        raise _invalid("it is too long or contains characters that a URL cannot have")
    if parts.scheme not in {"http", "https"} or not host:
        raise _invalid("it must be an absolute http or https URL")
    if parts.username is not None or parts.password is not None:
        raise _invalid("it must not contain credentials")
    if not _can_be_asked_for(url):
        raise _invalid("its host is not a name")
    if not _is_allowed(host):
        raise _invalid("it points into a private network")
    return url


def new_secret() -> str:
    """Return a fresh secret for signing callbacks. Shown when the callback is set, and never again."""
    return f"whsec_{secrets.token_hex(32)}"


def _can_be_asked_for(url: str) -> bool:
    """Say whether its host means anything to what calls it, and to who is asked for its addresses."""
    import httpx  # only who sets a callback needs it

    try:
        called = httpx.URL(url)
        return bool(called.host and called.raw_host.decode("ascii").encode("idna"))
    except (httpx.InvalidURL, ValueError):
        return False


def _is_allowed(host: str) -> bool:
    networks = [ipaddress.ip_network(cidr, strict=False) for cidr in settings.PERDURE_ALLOW_PRIVATE_CALLBACKS]
    try:
        address = ipaddress.ip_address("127.0.0.1" if host.lower() == "localhost" else host)
    except ValueError:
        return True  # a name; what it leads to is checked at each call
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_global or any(address in network for network in networks)


def _invalid(why: str) -> Invalid:
    return Invalid(
        f"callback_url: {why}", details={"errors": [{"loc": ["body", "callback_url"], "msg": why}]}
    )
