"""The secret part of API keys: making tokens, telling typos from guesses, and the hash that is kept.

A token is `axme_sa_<service account id>_<secret>`, the secret 256 random bits and a checksum over the whole, in
hexadecimal. The checksum protects nothing; it spares the database the look-up of a mistyped key.
"""

from __future__ import annotations

import hmac
import re
import secrets
import zlib

from django.conf import settings

PREFIX = "axme_sa_"
#: how much of the secret the hint shows: enough to tell keys apart, 24 of 256 bits
HINT_DIGITS = 6

_FORM = re.compile(r"axme_sa_sa_[0-9a-f]+_[0-9a-f]{72}")


def make(service_account_id: str) -> str:
    """Return a fresh token for this service account. It is shown once and never stored."""
    unchecked = f"{PREFIX}{service_account_id}_{secrets.token_hex(32)}"
    return unchecked + _checksum(unchecked)


def is_well_formed(token: str) -> bool:
    """Say whether this could be a token of ours."""
    return _FORM.fullmatch(token) is not None and token[-8:] == _checksum(token[:-8])


def digest(token: str) -> bytes:
    """Return what is stored in place of the token: useless without the pepper, which is not in the database."""
    return hmac.digest(settings.PERDURE_KEY_PEPPER.encode(), token.encode("utf-8", "replace"), "sha256")


def hint(token: str) -> str:
    """Return the beginning of the token, by which its owner recognises it."""
    return token[: token.rindex("_") + 1 + HINT_DIGITS]


def _checksum(unchecked: str) -> str:
    return f"{zlib.crc32(unchecked.encode()):08x}"
