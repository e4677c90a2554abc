"""What is made of stored bytes: all that graphs are made of, and nothing that somebody else's bytes ask for."""

from __future__ import annotations

import operator
import re
from collections import deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, TypedDict
from uuid import UUID
from zoneinfo import ZoneInfo

import ormsgpack
import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, SystemMessage, ToolMessage
from langgraph.checkpoint.serde import jsonplus
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, Interrupt, Send, interrupt
from pydantic import BaseModel

from perdure import Client
from perdure.langgraph import PerdureSaver
from perdure.langgraph.serializer import SafeSerializer

HARMLESS: list[Any] = [
    {"numbers": [1, 2.5, None, True], 7: "seven", "bytes": b"\x00"},
    [
        SystemMessage("be brief"),
        HumanMessage("how many?", id="1"),
        AIMessage("", tool_calls=[{"name": "count", "args": {"of": "rows"}, "id": "c1"}]),
        ToolMessage("3", tool_call_id="c1"),
        RemoveMessage(id="1"),
    ],
    Document("text", metadata={"page": 1}),
    [
        datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        date(2026, 1, 2),
        time(3, 4),
        timedelta(days=1),
        ZoneInfo("Europe/Paris"),
    ],
    [UUID(int=7), Decimal("1.10"), Path("a/b"), ip_address("::1"), re.compile("a+")],
    [{1, 2}, frozenset({3}), deque([4])],
    [Send("node", {"row": 1}), Interrupt("which one?", id="i1"), Command(goto="node", update={"row": 2})],
]


@dataclass
class Order:
    """A class of one's own, as a dataclass."""

    number: int


class Customer(BaseModel):
    """A class of one's own, as a model of pydantic."""

    name: str


@pytest.mark.parametrize("value", HARMLESS, ids=lambda value: type(value).__name__)
def test_what_langgraph_lists_as_harmless_comes_back_as_it_was(value: Any) -> None:
    serde = SafeSerializer()

    assert serde.loads_typed(serde.dumps_typed(value)) == value


def test_ones_own_classes_come_back_as_what_is_in_them_unless_a_serde_allows_them() -> None:
    mine = [Order(7), Customer(name="Ada")]
    typed = SafeSerializer().dumps_typed(mine)

    assert SafeSerializer().loads_typed(typed) == [{"number": 7}, {"name": "Ada"}]
    assert JsonPlusSerializer(allowed_msgpack_modules=[Order, Customer]).loads_typed(typed) == mine


def test_a_saver_reads_with_the_serde_that_it_is_given(perdure: Any, name: str) -> None:
    allowing = JsonPlusSerializer(allowed_msgpack_modules=[Order])
    builder = StateGraph(TypedDict("Wanted", {"order": Order}))
    builder.add_node("ask", lambda state: {"order": Order(state["order"].number + 1)})
    builder.add_edge(START, "ask")
    config: Any = {"configurable": {"thread_id": name}}

    with PerdureSaver(perdure.url, perdure.key, serde=allowing) as saver:
        graph = builder.compile(checkpointer=saver)
        graph.invoke({"order": Order(7)}, config)
        assert graph.get_state(config).values == {"order": Order(8)}


def call_of(code: int, path: Path) -> bytes:
    """Bytes that ask to be made by a call: of os.mkdir."""
    given: Any = [str(path)] if code == jsonplus.EXT_CONSTRUCTOR_POS_ARGS else str(path)
    if code in (jsonplus.EXT_CONSTRUCTOR_KW_ARGS, jsonplus.EXT_PYDANTIC_V1, jsonplus.EXT_PYDANTIC_V2):
        given = {"path": str(path)}
    asked = ("os", "mkdir", given, "__call__")
    return ormsgpack.packb(ormsgpack.Ext(code, ormsgpack.packb(asked)))


@pytest.mark.parametrize("code", range(8))
def test_no_kind_of_bytes_calls_what_it_names(code: int, tmp_path: Path) -> None:
    doomed = tmp_path / "called"

    SafeSerializer().loads_typed(("msgpack", call_of(code, doomed)))

    assert not doomed.exists()


def test_what_a_stranger_in_the_workspace_wrote_to_a_thread_runs_nowhere(
    perdure: Any, name: str, tmp_path: Path
) -> None:
    doomed = tmp_path / "called"
    with Client(perdure.url, perdure.key) as stranger:
        stranger.request(
            "PUT",
            f"/v1/threads/langgraph%3A{name}/items/c::x",
            content=call_of(jsonplus.EXT_CONSTRUCTOR_POS_ARGS, doomed),
            headers={"Content-Type": 'application/vnd.langgraph; serde="msgpack"'},
        )

    with PerdureSaver(perdure.url, perdure.key) as saver, pytest.raises(TypeError):
        saver.get_tuple({"configurable": {"thread_id": name}})

    assert not doomed.exists()


def test_json_is_not_read_as_it_names_classes_too() -> None:
    with pytest.raises(NotImplementedError):
        SafeSerializer().loads_typed(("json", b"{}"))


class Asked(MessagesState):
    """Messages, and the answers of several nodes."""

    answers: Annotated[list[str], operator.add]


def test_a_graph_of_messages_that_fans_out_and_asks_goes_on_in_another_process_as_before(
    perdure: Any, name: str
) -> None:
    def ask(state: Any) -> Any:
        return {"answers": [f"{state['question']} {interrupt('really?')}"]}

    builder = StateGraph(Asked)
    builder.add_node("speak", lambda state: {"messages": [AIMessage("two questions")]})
    builder.add_node("ask", ask)
    builder.add_edge(START, "speak")
    builder.add_conditional_edges("speak", lambda state: [Send("ask", {"question": "which?"})], ["ask"])
    builder.add_edge("ask", END)
    config: Any = {"configurable": {"thread_id": name}}

    with PerdureSaver(perdure.url, perdure.key) as saver:
        asked = builder.compile(checkpointer=saver).invoke({"messages": [HumanMessage("hello")]}, config)
        assert [each.value for each in asked["__interrupt__"]] == ["really?"]
    with PerdureSaver(perdure.url, perdure.key) as saver:  # knows nothing but what is stored
        done = builder.compile(checkpointer=saver).invoke(Command(resume="yes"), config)

    assert [(type(each), each.content) for each in done["messages"]] == [
        (HumanMessage, "hello"),
        (AIMessage, "two questions"),
    ]
    assert done["answers"] == ["which? yes"]
