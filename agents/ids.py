"""Every identifier that Perdure hands out is made here."""

from __future__ import annotations

import secrets
import uuid

from uuid_utils import compat


def uuid7() -> uuid.UUID:
    """Return a UUID that sorts by the time it was made."""
    return compat.uuid7()


def service_account_id() -> str:
    """Return a fresh id of an agent in its role as a service account."""
    return f"sa_{secrets.token_hex(8)}"


def api_key_id() -> str:
    """Return a fresh id of an API key. It is public; the token is the secret."""
    return f"sak_{secrets.token_hex(8)}"


def address_id(service_account: str) -> str:
    """Return what the mesh calls an agent by, from the id of its service account."""
    return f"addr_{service_account.removeprefix('sa_')}"


def of_address_id(address: str) -> str:
    """Return the id of the service account that the mesh calls by this; no other has it."""
    return f"sa_{address.removeprefix('addr_')}"
