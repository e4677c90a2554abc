"""The saver against a real server: what LangGraph demands of any, and what is particular to ours."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.conformance import checkpointer_test, validate

from perdure import errors
from perdure.langgraph import PerdureSaver


async def test_the_saver_conforms_to_all_that_langgraph_asks_of_one(perdure: Any) -> None:
    @checkpointer_test(name="PerdureSaver")
    async def saver() -> AsyncIterator[PerdureSaver]:
        # Lists without a thread show all threads: each test has its own.
        async with PerdureSaver(perdure.url, perdure.key, prefix=f"conforms-{uuid.uuid4().hex}:") as made:
            yield made

    report = await validate(saver)

    failures = {name: found.failures for name, found in report.results.items() if found.tests_failed}
    assert not failures
    assert sum(found.tests_passed for found in report.results.values()) >= 80
    assert {name for name, found in report.results.items() if not found.detected} == set()


@pytest.fixture
def saver(perdure: Any, name: str) -> Any:
    with PerdureSaver(perdure.url, perdure.key, prefix=f"{name}:") as made:
        yield made


def put(saver: Any, thread_id: str, values: dict[str, Any], number: int = 0) -> Any:
    checkpoint = empty_checkpoint()
    checkpoint["id"] = f"{number:032}"
    checkpoint["channel_values"] = values
    checkpoint["channel_versions"] = dict.fromkeys(values, 1)
    config = {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}
    return saver.put(config, checkpoint, {"source": "loop", "step": number}, dict.fromkeys(values, 1))


def test_a_value_larger_than_the_server_takes_comes_back_whole(saver: Any) -> None:
    text = "".join(str(number) for number in range(500_000))

    config = put(saver, "large", {"text": text, "small": 1})

    assert saver.get_tuple(config).checkpoint["channel_values"] == {"text": text, "small": 1}


def test_threads_may_have_any_name(saver: Any) -> None:
    for thread_id in ("a/b", "../..", "ä ö?#%2F", ""):
        put(saver, thread_id, {"of": thread_id})
        config = {"configurable": {"thread_id": thread_id}}
        assert saver.get_tuple(config).checkpoint["channel_values"] == {"of": thread_id}


def test_nothing_is_kept_for_a_key_that_nobody_knows(perdure: Any) -> None:
    with (
        PerdureSaver(perdure.url, "axme_sa_unknown.unknown") as stranger,
        pytest.raises(errors.Unauthenticated),
    ):
        put(stranger, "any", {})
