"""The socket without a server around it: what would take too long to wait for, or needs an outage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any
from uuid import uuid4

import orjson
import psycopg
import pytest

from agents import postgres
from agents.caller import Caller
from agents.models import Agent
from intents import coalescer, repeating
from intents.models import Intent
from intents.realtime import agent_socket, runtime, submitter_socket
from intents.realtime.agent_socket import AgentSocket
from intents.records import Done, Hold
from tests.factories import make_caller
from tests.intents.factories import make_intents
from tests.intents.realtime.loops import PATIENCE, close_everything, until


class Connection:
    """A websocket to an AgentSocket in this process."""

    def __init__(self, caller: Caller | None, auth_error: str = "") -> None:
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        self.incoming.put_nowait({"type": "websocket.connect"})
        scope = {"type": "websocket", "caller": caller, "auth_error": auth_error, "client": ("192.0.2.1", 1)}
        self.socket = AgentSocket()
        self.task = asyncio.create_task(self.socket(scope, self.incoming.get, self._send))

    async def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)
        if message["type"] == "websocket.close":
            self.incoming.put_nowait({"type": "websocket.disconnect", "code": message["code"]})

    def say(self, kind: str, **fields: Any) -> None:
        text = orjson.dumps({"type": kind, **fields}).decode()
        self.incoming.put_nowait({"type": "websocket.receive", "text": text})

    @property
    def frames(self) -> list[dict[str, Any]]:
        return [orjson.loads(each["text"]) for each in self.sent if each["type"] == "websocket.send"]

    @property
    def types(self) -> list[str]:
        return [frame["type"] for frame in self.frames]

    @property
    def close_code(self) -> int | None:
        return next((each["code"] for each in self.sent if each["type"] == "websocket.close"), None)

    async def leave(self) -> None:
        self.incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(self.task, 30)


@pytest.fixture
def caller(agent: Agent) -> Caller:
    return make_caller(agent)


@pytest.fixture(autouse=True)
async def process(transactional_db: None) -> AsyncIterator[None]:
    yield
    await runtime.drain()
    await close_everything()


async def test_an_agent_that_gets_nothing_is_pinged(
    caller: Caller, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_socket, "PING_SECONDS", 0.05)
    connection = Connection(caller)
    connection.say("hello", address=agent.address)

    await until(lambda: connection.types.count("ping") >= 2)
    connection.say("pong")
    await connection.leave()
    assert set(connection.types) == {"welcome", "ping"}


async def test_during_an_outage_nobody_can_be_known(caller: Caller) -> None:
    connection = Connection(None, "service_unavailable")

    await until(lambda: connection.close_code)
    assert connection.close_code == 1013


async def test_a_process_that_is_ending_takes_no_new_connections(caller: Caller) -> None:
    runtime.current().drain()
    connection = Connection(caller)

    await until(lambda: connection.close_code)
    assert connection.close_code == 1012


async def test_a_submitter_that_does_not_read_is_let_go(
    caller: Caller, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitter_socket, "MOST_UNTOLD", 0)
    [intent_id] = await postgres.in_thread(make_intents, agent, 1)
    connection = Connection(caller)
    connection.say("hello", address=agent.address)
    connection.say("watch", intents=[str(intent_id)])
    await until(lambda: "deliveries" in connection.types)
    [delivery] = next(frame for frame in connection.frames if frame["type"] == "deliveries")["deliveries"]
    connection.say("complete", intent_id=delivery["intent_id"], lease=delivery["lease"])

    await until(lambda: connection.close_code)
    assert connection.close_code == 4408


async def test_of_outcomes_that_are_not_read_no_more_are_kept_than_lead_to_the_end(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitter_socket, "MOST_UNTOLD", 3)
    connection = Connection(caller)
    await until(lambda: connection.sent)
    socket = connection.socket
    row = {"status": "COMPLETED", "seq": 4, "at": "now", "details": "{}"}
    for _ in range(10):  # nothing is sent meanwhile
        socket.tell({**row, "intent_id": uuid4()})

    assert len(socket.outcomes) == 4
    await connection.leave()


async def test_frames_of_a_client_that_has_left_are_still_acted_on(caller: Caller, agent: Agent) -> None:
    [intent_id] = await postgres.in_thread(make_intents, agent, 1)
    connection = Connection(caller)
    connection.say("hello", address=agent.address)
    await until(lambda: "deliveries" in connection.types)
    [delivery] = connection.frames[-1]["deliveries"]
    connection.say("complete", intent_id=delivery["intent_id"], lease=delivery["lease"], result={"rows": 3})
    await connection.leave()

    def status() -> str:
        return str(Intent.objects.get(pk=intent_id).status)

    async with asyncio.timeout(30):
        while await postgres.in_thread(status) != "COMPLETED":  # noqa: ASYNC110 (no event tells)
            await asyncio.sleep(0.01)


async def test_a_connection_gives_back_what_it_held_after_what_it_said_last(
    caller: Caller, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given back before it is known that work had begun, the attempt would not count."""
    [intent_id] = await postgres.in_thread(make_intents, agent, 1)
    connection = Connection(caller)
    connection.say("hello", address=agent.address)
    await until(lambda: "deliveries" in connection.types)
    [delivery] = connection.frames[-1]["deliveries"]
    written = asyncio.Event()
    write = coalescer.current().acknowledge.each

    async def write_late(holds: Sequence[Hold]) -> list[Done | psycopg.Error]:
        await asyncio.wait_for(written.wait(), PATIENCE)
        return await write(holds)

    monkeypatch.setattr(coalescer.current().acknowledge, "each", write_late)
    connection.say("acknowledge", intent_id=delivery["intent_id"], lease=delivery["lease"])
    await connection.leave()
    again = Connection(caller)
    again.say("hello", address=agent.address)
    await until(lambda: "welcome" in again.types)
    assert "deliveries" not in again.types
    written.set()

    await until(lambda: "deliveries" in again.types)
    [redelivered] = again.frames[-1]["deliveries"]
    assert (redelivered["intent_id"], redelivered["attempt"]) == (str(intent_id), 2)
    await again.leave()


async def test_a_late_word_of_an_earlier_attempt_leaves_the_connection_what_it_holds_now(
    caller: Caller, agent: Agent
) -> None:
    [intent_id] = await postgres.in_thread(make_intents, agent, 1)
    connection = Connection(caller)
    connection.say("hello", address=agent.address, max_in_flight=1)
    await until(lambda: connection.types.count("deliveries") == 1)
    intent = await postgres.in_thread(Intent.objects.get, pk=intent_id)
    await postgres.in_thread(partial(repeating.redeliver, intent, actor="human:ann"))
    await until(lambda: connection.types.count("deliveries") == 2)
    first, second = [
        frame["deliveries"][0]["lease"] for frame in connection.frames if frame["type"] == "deliveries"
    ]

    connection.say("complete", ref=1, intent_id=str(intent_id), lease=first)
    await until(lambda: "result" in connection.types)

    [result] = [frame for frame in connection.frames if frame["type"] == "result"]
    assert result["results"][0]["error"]["code"] == "lease_lost"
    [mailbox] = runtime.current().dispatcher.mailboxes()
    assert str(mailbox.held[intent_id].lease_token) == second
    assert mailbox.free == 0
    await connection.leave()
