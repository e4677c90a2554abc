"""A browser without eyes: an administrator who has logged in to a running Perdure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.servers import Perdure


@contextmanager
def visiting(perdure: Perdure, *, patience: float = 60) -> Iterator[httpx.Client]:
    """Follows redirects, and is logged in as whoever the first boot made."""
    with httpx.Client(base_url=perdure.base_url, follow_redirects=True, timeout=patience) as browser:
        browser.get("/login/")
        login = {
            "csrfmiddlewaretoken": browser.cookies["csrftoken"],
            "username": perdure.facts["PERDURE_ADMIN_USER"],
            "password": perdure.facts["PERDURE_ADMIN_PASSWORD"],
        }
        answer = browser.post("/login/", data=login, headers={"referer": perdure.base_url})
        assert answer.url.path.startswith("/o/"), f"{answer.status_code} {answer.url}"
        yield browser
