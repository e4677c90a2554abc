"""Below which path Perdure is served, and whose word counts for who is asking."""

from __future__ import annotations

from typing import Any

import pytest

from controlplane.bodies import Receive, Scope, Send
from controlplane.proxied import behind_proxies

PROXY, STRANGER = "10.0.0.7", "192.0.2.1"


async def seen(
    path: str = "/x", *, client: str = PROXY, prefix: str = "", headers: Any = (), **more: Any
) -> Scope:
    """The scope as the application sees it."""
    found: list[Scope] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        found.append(scope)

    proxied = behind_proxies(application, prefix=prefix, trusted=["10.0.0.0/24"])
    given = {"type": "http", "scheme": "http", "path": path, "client": (client, 1), "headers": list(headers)}
    await proxied(given | more, None, None)
    [only] = found
    return only


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("/perdure/v1/intents", "/perdure/v1/intents"),
        ("/v1/intents", "/perdure/v1/intents"),  # the proxy took the prefix away, or a probe came by itself
        ("/perdure", "/perdure/"),
        ("/perdured", "/perdure/perdured"),
    ],
)
async def test_a_path_is_below_the_prefix_whether_the_proxy_passes_it_on_or_not(
    asked: str, served: str
) -> None:
    scope = await seen(asked, prefix="/perdure")

    assert (scope["path"], scope["root_path"]) == (served, "/perdure")


async def test_no_client_says_where_the_root_is() -> None:
    assert (await seen(root_path="/forged"))["root_path"] == ""


FORWARDED = [(b"x-forwarded-for", b"198.51.100.9, 203.0.113.5"), (b"x-forwarded-proto", b"https")]


async def test_a_trusted_proxy_says_who_asks_and_by_which_scheme() -> None:
    scope = await seen(headers=FORWARDED)

    assert (scope["client"][0], scope["scheme"]) == ("203.0.113.5", "https")
    assert (await seen(headers=FORWARDED, type="websocket", scheme="ws"))["scheme"] == "wss"


async def test_a_stranger_says_nothing_about_who_asks() -> None:
    scope = await seen(headers=FORWARDED, client=STRANGER)

    assert (scope["client"][0], scope["scheme"]) == (STRANGER, "http")
