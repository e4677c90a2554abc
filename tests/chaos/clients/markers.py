"""What is in every payload, so that it is known again wherever it turns up: whose it is, and which."""

from __future__ import annotations

import re

MARKER = re.compile(rb"canary-([a-z]+)-[0-9a-z-]+")


def marker(tenant: str, number: str) -> str:
    return f"canary-{tenant}-{number}"


def tenants_in(body: bytes) -> list[str]:
    """Whose markers are in these bytes."""
    return sorted({found.decode() for found in MARKER.findall(body)})
