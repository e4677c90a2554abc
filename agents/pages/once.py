"""Secrets that are shown once: kept from the POST that made them until the page behind it has shown them.

So that reloading that page makes nothing a second time. Kept for an instant, encrypted, in the session of whoever made
them, under a ticket that is in the page's address and opens it for nobody else.
"""

from __future__ import annotations

import base64
import json
import secrets
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

KEPT_SECONDS = 120
#: More than these at once nobody has made and not seen.
MOST = 5
SESSION_KEY = "shown_once"


def keep(request: HttpRequest, **shown: Any) -> str:
    """Keep what is to be shown, and return the ticket that it is shown for."""
    ticket = secrets.token_urlsafe(16)
    sealed = _box().encrypt(json.dumps({**shown, "ticket": ticket}).encode()).decode()
    waiting = list(request.session.get(SESSION_KEY, {}).items())[-(MOST - 1) :]
    request.session[SESSION_KEY] = {**dict(waiting), ticket: sealed}
    return ticket


def take(request: HttpRequest, ticket: str) -> dict[str, Any] | None:
    """What was kept for this ticket; None if it has been shown, or waited for too long."""
    waiting = dict(request.session.get(SESSION_KEY, {}))
    sealed = waiting.pop(ticket, None)
    if sealed is None:
        return None
    request.session[SESSION_KEY] = waiting
    try:
        shown: dict[str, Any] = json.loads(_box().decrypt(sealed.encode(), ttl=KEPT_SECONDS))
    except InvalidToken:
        return None
    return shown if shown.pop("ticket") == ticket else None


def _box() -> Fernet:
    # Of the secret key, so that every web process can open it, and a copy of the database cannot.
    return Fernet(base64.urlsafe_b64encode(salted_hmac(__name__, "box", algorithm="sha256").digest()))
