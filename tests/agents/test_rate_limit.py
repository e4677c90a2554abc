"""Requests a minute: counted per key and endpoint, and never at the price of an outage."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from agents import rate_limit
from agents.caller import Caller
from agents.errors import RateLimited
from tests.factories import make_caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def caller(db: None) -> Caller:
    return make_caller()


@pytest.fixture
async def limited(settings: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    settings.PERDURE_RATE_LIMIT_PER_MINUTE = 2
    monkeypatch.setattr(rate_limit, "_distrusted_until", 0.0)
    # Tests that begin at the end of a minute would see two windows.
    monkeypatch.setattr(rate_limit, "time", lambda: 1_800_000_030.0)
    yield
    await rate_limit.close()


async def test_what_is_over_the_limit_is_refused_until_the_minute_ends(caller: Caller, limited: None) -> None:
    assert await rate_limit.check(caller, "submit") == {
        "X-RateLimit-Limit": "2",
        "X-RateLimit-Remaining": "1",
        "X-RateLimit-Reset": "1800000060",
    }
    await rate_limit.check(caller, "submit")
    with pytest.raises(RateLimited) as refused:
        await rate_limit.check(caller, "submit")

    assert (refused.value.status, refused.value.code) == (429, "rate_limit_exceeded")
    assert refused.value.retry_after == 30
    assert (await rate_limit.check(caller, "list"))["X-RateLimit-Remaining"] == "1"


async def test_without_valkey_everybody_may_pass_and_only_the_first_waits(
    caller: Caller, limited: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    assert await rate_limit.check(caller, "submit") == {}
    monkeypatch.setattr(rate_limit, "_client", _unreachable)
    for _ in range(5):
        assert await rate_limit.check(caller, "submit") == {}


async def test_a_limit_of_zero_is_none(
    caller: Caller, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PERDURE_RATE_LIMIT_PER_MINUTE = 0
    monkeypatch.setattr(rate_limit, "_client", _unreachable)

    assert await rate_limit.check(caller, "submit") == {}


def _unreachable() -> Any:
    raise AssertionError("Valkey was asked")
