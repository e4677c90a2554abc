"""What pages take in: no more than a form has, and not for long; the rest is answered without being read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from controlplane import bodies
from controlplane.asgi import application
from tests.controlplane.conftest import Edge
from tests.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)
MEGABYTE = 1024 * 1024
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
def site() -> Edge:
    return Edge(application)


def megabytes(number: int) -> Iterator[bytes]:
    return (b"x" * MEGABYTE for _ in range(number))


@pytest.mark.parametrize("path", ["/login/", "/no/such/page", "/", "/admin/"])
async def test_a_body_that_says_it_is_too_large_is_not_even_read(site: Edge, path: str) -> None:
    exchange = site.open("POST", path, body=b"x" * 3 * MEGABYTE, headers=FORM)

    answer = await exchange.answer()

    assert answer.status == (404 if path == "/no/such/page" else 413)
    assert len(exchange.unread) == 1
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("path", ["/login/", "/no/such/page"])
async def test_a_body_that_turns_out_too_large_is_read_no_further(site: Edge, path: str) -> None:
    exchange = site.open("POST", path, body=megabytes(100), headers=FORM)

    answer = await exchange.answer()

    assert answer.status in (413, 404)
    assert len(exchange.unread) == 97
    assert answer.headers["connection"] == "close"


async def test_the_refusal_is_a_page_with_all_that_keeps_pages_safe(site: Edge) -> None:
    answer = await site.ask("POST", "/login/", body=megabytes(3), headers=FORM)

    assert "That is too much" in answer.content.decode()
    assert "The request body is larger than 2621440 bytes." in answer.content.decode()
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("pieces", [[], [b"name="]])
@pytest.mark.parametrize("path", ["/login/", "/v1/intents"])
async def test_a_body_that_does_not_come_is_not_waited_for_without_end(
    site: Edge, path: str, pieces: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "PATIENCE_SECONDS", 0.05)
    exchange = site.open("POST", path, body=iter([*pieces, b""]), headers={"content-length": "500"})
    exchange.unread.pop()

    answer = await exchange.answer()

    assert answer.status == 408
    assert answer.headers["connection"] == "close"


async def test_who_leaves_before_the_body_is_whole_is_not_answered(site: Edge) -> None:
    exchange = site.open("POST", "/login/", body=iter([b"name=", b""]), headers=FORM)
    exchange.unread.pop()
    exchange.left.set()

    assert (await exchange.answer()).status == 0


@pytest.fixture
def ada(transactional_db: None) -> str:
    """The name of a person."""
    return make_user("ada").username


async def test_a_form_in_pieces_is_put_together(site: Edge, ada: str) -> None:
    login = await site.ask("GET", "/login/")
    cookie = login.headers["set-cookie"].partition(";")[0]
    token = cookie.partition("=")[2]
    fields = {
        "username": ada,
        "password": "wrong",
        "csrfmiddlewaretoken": token,
        "next": "x" * MEGABYTE,
    }
    form = urlencode(fields).encode()
    headers: dict[str, Any] = {**FORM, "cookie": cookie, "content-length": str(len(form))}

    pieces = (form[start : start + 1000] for start in range(0, len(form), 1000))
    answer = await site.ask("POST", "/login/", body=pieces, headers=headers)

    assert answer.status == 401
    assert 'value="ada"' in answer.content.decode()
