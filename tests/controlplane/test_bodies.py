"""What may come in as a body, and what is refused before it does harm."""

from __future__ import annotations

from typing import Any

import pytest

from controlplane.bodies import BATCH, ORDINARY, limit_of
from tests.controlplane.conftest import Edge
from tests.controlplane.sample_urls import Diary

VALUE = 1024 * 1024
GOOD = b'{"name": "a", "amount": 1}'


def order(payload: bytes) -> bytes:
    return b'{"name": "a", "amount": 1, "payload": ' + payload + b"}"


def nested(levels: int) -> bytes:
    """A payload such that the whole body is nested so deep."""
    return b'{"a":' + b"[" * (levels - 2) + b"]" * (levels - 2) + b"}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"17",
        b"\xff\xfe",
        b"\xef\xbb\xbf" + GOOD,
        b"name=a&amount=1",
        GOOD + GOOD,
        order(b"NaN"),
        order(b'{"n": NaN}'),
        order(b'{"n": Infinity}'),
        order(b'{"n": -Infinity}'),
        order(b'{"n": 1e999}'),
        order(b'{"n": "\\ud800"}'),
        order(b'{"n": "\\udc00\\ud800"}'),
        order(b'{"n": "\xed\xa0\x80"}'),
        order(b'{"n": "\\u0000"}'),
        order(b'{"\\u0000": 1}'),
        order(b'{"n": ["deep", {"er": "a\\u0000b"}]}'),
        order(b'{"n": "\x00"}'),
        order(b"{'n': 1}"),
        order(b'{"n": 01}'),
        order(b'{"n": 1,}'),
        order(b"[]"),
        order(nested(65)),
        order(nested(1000)),
        order(b"[" * 5000),
        b'{"name": "a"}',
        b'{"name": 1, "amount": 1}',
        b'{"name": "a", "amount": 1.5}',
    ],
)
async def test_a_bad_body_is_refused_clearly_and_changes_nothing(edge: Edge, body: bytes) -> None:
    answer = await edge.ask("POST", "/v1/orders", body=body, headers={"content-type": "application/json"})

    assert answer.status in (400, 422)
    assert answer.json["detail"]
    assert Diary.done == []


@pytest.mark.parametrize(
    "payload",
    [
        b"{}",
        b'{"n": "\\\\u0000"}',
        b'{"n": "\\ud83d\\ude00"}',
        b'{"n": 123456789012345678901234567890}',
        nested(64),
    ],
)
async def test_a_strange_but_legal_body_is_taken(edge: Edge, payload: bytes) -> None:
    answer = await edge.ask("POST", "/v1/orders", body=order(payload))

    assert answer.status == 200


async def test_an_empty_body_called_json_will_do_where_none_is_needed(edge: Edge) -> None:
    answer = await edge.ask("POST", "/v1/bodiless", headers={"content-type": "application/json"})

    assert answer.status == 200


async def test_a_body_that_says_it_is_too_large_is_not_even_read(edge: Edge) -> None:
    exchange = edge.open("POST", "/v1/orders", body=b"x" * (ORDINARY + 1))

    answer = await exchange.answer()

    assert (answer.status, answer.json["error"]["code"]) == (413, "payload_too_large")
    assert len(exchange.unread) == 1
    assert answer.headers["connection"] == "close"


async def test_a_body_that_turns_out_too_large_is_read_no_further(edge: Edge) -> None:
    exchange = edge.open("POST", "/v1/orders", body=iter([b"x" * 1000] * 1000))

    answer = await exchange.answer()

    assert answer.status == 413
    assert len(exchange.unread) > 800


async def test_a_body_in_pieces_is_put_together(edge: Edge) -> None:
    answer = await edge.ask("POST", "/v1/orders", body=iter([GOOD[:5], b"", GOOD[5:]]))

    assert answer.json == {"ok": True, "name": "a"}


async def test_a_body_of_exactly_the_limit_is_taken(edge: Edge) -> None:
    body = order(b'{"n": "%s"}' % (b"x" * (ORDINARY - len(order(b'{"n": ""}')))))
    assert len(body) == ORDINARY

    assert (await edge.ask("POST", "/v1/orders", body=body)).status == 200


@pytest.mark.parametrize("length", ["-1", "1e3", "12a", "٣"])
async def test_a_content_length_that_is_no_number_is_refused(edge: Edge, length: str) -> None:
    exchange = edge.open("POST", "/v1/orders", body=iter([GOOD]), headers={"content-length": "12a"})

    assert (await exchange.answer()).status == 400


@pytest.mark.parametrize(
    "path", ["/v1/error/a\x00b", "/v1/bodiless?since=%00", "/v1/bodiless?" + "a=1&" * 2000]
)
async def test_a_url_that_nobody_can_mean_is_refused(edge: Edge, path: str) -> None:
    answer = await edge.ask("POST", path)

    assert answer.status in (200, 400)
    assert answer.status == 400 or "a=1" in path


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/v1/intents", ORDINARY),
        ("/v1/intents/batch", BATCH),
        ("/v1/intents/0190/checkpoints/extract", VALUE),
        ("/v1/intents/0190/checkpoints/a/b", VALUE),
        ("/v1/agents/x/checkpoints/", ORDINARY),
        ("/v1/threads/t/items/a", VALUE),
        ("/v1/threads/t/items/a/entries", VALUE),
        ("/v1/threads/t/items/a\nb", VALUE),
        ("/v1/threads/t/items/batch", BATCH),
        ("/v1/threads/t/items/get", BATCH),
        ("/v1/threads/t/entries", BATCH),
        ("/v1/threads/t/copy", ORDINARY),
        ("/v1/threads/a/b/entries", ORDINARY),
    ],
)
def test_batches_checkpoints_and_items_may_be_larger(path: str, limit: int) -> None:
    assert limit_of(path) == limit


@pytest.mark.parametrize("value", [1000, 16 * 1024 * 1024])
def test_a_value_may_be_as_large_as_is_set(value: int, settings: Any) -> None:
    settings.PERDURE_VALUE_BYTES = value

    assert limit_of("/v1/intents/0190/checkpoints/extract") == value
    assert limit_of("/v1/threads/t/items/batch") >= max(BATCH, 2 * value)
    assert limit_of("/v1/intents") == ORDINARY
