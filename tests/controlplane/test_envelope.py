"""Every error of the HTTP edge has one shape."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from controlplane.envelope import envelope
from tests.controlplane.conftest import Edge

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/error/missing", 404, "not_found"),
        ("GET", "/v1/error/outage", 503, "unavailable"),
        ("GET", "/v1/error/surprise", 500, "internal_error"),
        ("GET", "/v1/error/limited", 429, "rate_limit_exceeded"),
        ("GET", "/v1/error/taken", 409, "already_exists"),
        ("GET", "/v1/nothing/here", 404, "not_found"),
        ("GET", "/v1/", 404, "not_found"),
        ("DELETE", "/v1/orders", 405, "method_not_allowed"),
        ("BREW", "/v1/orders", 405, "method_not_allowed"),
        ("POST", "/v1/mine", 401, "missing_platform_api_key"),
    ],
)
async def test_whatever_goes_wrong_the_answer_has_a_code_a_message_and_a_detail(
    edge: Edge, method: str, path: str, status: int, code: str
) -> None:
    answer = await edge.ask(method, path)

    assert (answer.status, answer.json["error"]["code"]) == (status, code)
    assert answer.json["detail"] == answer.json["error"]["message"] != ""
    assert answer.headers["content-length"] == str(len(answer.content))


async def test_an_unforeseen_error_says_nothing_about_itself(edge: Edge) -> None:
    answer = await edge.ask("GET", "/v1/error/surprise")

    assert b"axme_sa" not in answer.content
    assert b"KeyError" not in answer.content


async def test_an_outage_and_a_limit_say_when_to_try_again(edge: Edge) -> None:
    outage = await edge.ask("GET", "/v1/error/outage")
    limited = await edge.ask("GET", "/v1/error/limited")

    assert outage.headers["retry-after"] == "1"
    assert limited.headers["retry-after"] == "7"
    assert (limited.headers["x-ratelimit-limit"], limited.headers["x-ratelimit-remaining"]) == ("5", "0")


async def test_a_conflict_shows_what_is_there_at_the_top_of_the_body(edge: Edge) -> None:
    answer = await edge.ask("GET", "/v1/error/taken")

    assert answer.json["service_account"] == {"name": "a"}


async def test_a_refused_method_says_which_would_do(edge: Edge) -> None:
    answer = await edge.ask("DELETE", "/v1/orders")

    assert answer.headers["allow"] == "POST"


async def test_an_invalid_field_is_named_and_its_value_kept_secret(edge: Edge) -> None:
    answer = await edge.ask(
        "POST", "/v1/orders", body=b'{"name": "x", "amount": "axme_sa_a_b"}', headers=JSON
    )

    [error] = answer.json["error"]["details"]["errors"]
    assert answer.status == 422
    assert error["loc"] == ["body", "body", "amount"]
    assert set(error) == {"loc", "msg", "type"}
    assert answer.json["detail"].startswith("amount: ")
    assert b"axme_sa" not in answer.content


async def test_every_answer_carries_a_request_id_and_the_caller_s_trace(edge: Edge) -> None:
    good = await edge.ask("POST", "/v1/bodiless", headers={"x-trace-id": "trace-1"})
    bad = await edge.ask("GET", "/v1/nothing", headers={"x-trace-id": "trace-2"})

    assert UUID(good.headers["x-request-id"]) != UUID(bad.headers["x-request-id"])
    assert (good.headers["x-trace-id"], bad.headers["x-trace-id"]) == ("trace-1", "trace-2")
    assert good.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("trace", ["", "with space", "x" * 129, "käse", "<script>"])
async def test_a_trace_that_could_do_harm_is_replaced(edge: Edge, trace: str) -> None:
    answer = await edge.ask("POST", "/v1/bodiless", headers={"x-trace-id": trace})

    assert UUID(answer.headers["x-trace-id"]).version == 4


async def test_times_and_ids_have_their_standard_form(edge: Edge) -> None:
    answer = await edge.ask("POST", "/v1/bodiless")

    assert answer.json == {"ok": True, "id": str(UUID(int=7)), "at": "2026-01-02T03:04:05Z"}


async def test_head_is_get_without_the_body(edge: Edge) -> None:
    answer = await edge.ask("HEAD", "/v1/error/missing")

    assert (answer.status, answer.content) == (404, b"")
    assert int(answer.headers["content-length"]) > 0


def test_an_error_repeats_no_key_wherever_it_was_written() -> None:
    answer = envelope(404, "there is no axme_sa_sa_1_hush", details={"path": ["/v1/axme_sa_sa_1_hush/x"]})

    assert b"hush" not in answer.content
    assert json.loads(answer.content)["error"]["details"] == {"path": ["/v1/axme_sa_[removed]/x"]}
