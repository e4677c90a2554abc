"""What every answer tells browsers, route by route, is what it is said to be in headers.json.

Answers of one kind say the same, so a new route says what its kind does or fails here. `PERDURE_REWRITE=1` writes
the file anew: read what has changed.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.test import Client as Browser
from django.urls import get_resolver

from agents.models import Role, Workspace
from agents.pages.shell import PLACE
from controlplane import access
from controlplane.routes import flattened
from controlplane.v1_handler import V1Handler
from tests.agents.pages.conftest import member
from tests.intents.api.conftest import Client, Someone, admin, agent, api, client, pool, workspace

__all__ = ["admin", "agent", "api", "client", "pool", "workspace"]

INSISTENCE, WANTED = "strict-transport-security", "max-age=31536000; includeSubDomains; preload"
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SNAPSHOT = Path(__file__).parent / "headers.json"
#: differ from answer to answer
PASSING = frozenset(
    "content-length date etag expires last-modified location set-cookie vary x-request-id x-trace-id"
    " connection transfer-encoding".split()
)


def told(headers: Any) -> dict[str, str]:
    """What an answer tells browsers, but for what passes."""
    return {
        name.lower(): ID.sub("<id>", value)
        for name, value in sorted(headers.items())
        if name.lower() not in PASSING
    }


def compare(kind: str, seen: dict[str, dict[str, str]]) -> None:
    """Fail unless all of a kind say what is noted of it."""
    noted: dict[str, dict[str, str]] = json.loads(SNAPSHOT.read_text())
    if os.environ.get("PERDURE_REWRITE"):
        noted[kind] = next(iter(seen.values()))
        SNAPSHOT.write_text(json.dumps(noted, indent=2, sort_keys=True) + "\n")
    assert len(seen) > 0
    assert {name: headers for name, headers in seen.items() if headers != noted[kind]} == {}


def filled(path: str) -> str:
    """A path with something in the place of its parameters, which nothing has."""
    path = re.sub(r"[{<](?:uuid:)?intent_id[}>]|<uuid:\w+>", str(uuid4()), path)
    return re.sub(r"<int:\w+>", "1", re.sub(r"[{<](?:\w+:)?\w+[}>]", "x", path))


async def test_every_route_of_the_api_says_the_same_when_it_refuses(api: httpx.AsyncClient) -> None:
    seen = {}
    for route, scopes in access.ROUTES.items():
        method, path = route.split(" ", 1)
        answer = await api.request(method, filled(path))
        assert answer.status_code == (200 if scopes is None else 401), route
        if scopes is not None:
            seen[route] = told(answer.headers)

    assert len(seen) > 40
    compare("a refusal of the API", seen)


@pytest.mark.parametrize(
    "path", ["/v1/me", "/v1/intents", "/v1/agents", "/v1/service-accounts", "/v1/threads"]
)
async def test_what_the_api_answers_says_the_same(api: httpx.AsyncClient, admin: Someone, path: str) -> None:
    answer = await api.get(path, headers=admin.headers)

    assert answer.status_code == 200
    compare("an answer of the API", {path: told(answer.headers)})


@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_answers_and_refusals_insist_on_https_where_pages_do(
    pool: None, admin: Someone, settings: Any, scheme: str
) -> None:
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = settings.SECURE_HSTS_PRELOAD = True
    handler = V1Handler()
    handler.load_middleware()
    transport = httpx.ASGITransport(app=handler)
    async with httpx.AsyncClient(transport=transport, base_url=f"{scheme}://perdure") as client:
        answers = [
            await client.get("/v1/me", headers=admin.headers),
            await client.get("/v1/me"),
            await client.post("/v1/intents", content=b"x" * 2_000_000),
        ]
    page = await sync_to_async(Browser().get)("/login/", secure=scheme == "https")

    assert [answer.status_code for answer in answers] == [200, 401, 413]
    told = [each.headers.get(INSISTENCE) for each in answers]
    assert [*told, page.headers.get(INSISTENCE)] == [(scheme == "https" and WANTED) or None] * 4


@pytest.mark.parametrize("content_type", ["text/html", "image/svg+xml", "application/json"])
async def test_stored_bytes_are_harmless_in_a_browser(
    client: Client, agent: Someone, content_type: str
) -> None:
    intent_id = await client.submit(agent, agent)
    evil = b"<script>alert(1)</script>" if content_type != "application/json" else b"{}"
    headers = {**agent.headers, "content-type": content_type}
    paths = (f"/v1/intents/{intent_id}/checkpoints/a", "/v1/threads/t/items/a")
    for path in paths:
        stored = await client.api.put(path, content=evil, headers=headers)
        assert stored.status_code in (200, 201), stored.text

    for path in paths:
        answer = await client.api.get(path, headers=agent.headers)
        assert answer.content == evil
        assert answer.headers["content-security-policy"] == "sandbox"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-disposition"].startswith("attachment")


def test_every_page_of_a_workspace_says_the_same(workspace: Workspace) -> None:
    person = member(workspace, Role.ADMIN)
    seen = {}
    for path in access.PLACES:
        answer = person.get(filled(path))
        assert answer.status_code in (200, 302, 303, 400, 404, 405), path
        if answer.status_code == 200 and answer["Content-Type"].startswith("text/html"):
            seen[path] = told(answer.headers)

    assert len(seen) >= 8
    compare("a page", seen)


def test_every_other_page_forbids_the_same_whoever_asks(workspace: Workspace) -> None:
    paths = {before + str(pattern.pattern) for before, pattern in flattened(get_resolver(), "/")}
    elsewhere = ("/v1/", "/live/", "/admin/", f"/{PLACE}")
    pages = sorted(
        path for path in paths - set(access.EDGE) if not path.startswith(elsewhere) and "(" not in path
    )
    wanted = ("content-security-policy", "x-content-type-options", "x-frame-options", "referrer-policy")
    seen = {}
    for path in ["/no/such/page", "/o/no/where/", *map(filled, pages)]:
        headers = told(Browser().get(path).headers)
        seen[path] = {name: headers.get(name, "") for name in (*wanted, "cross-origin-opener-policy")}

    assert len(seen) > 5
    compare("what any page forbids", seen)
