"""Teams of AutoGen that go on at the turn where they were killed.

    def build(stop):
        return RoundRobinGroupChat([writer, critic], termination_condition=stop)

    async with KeptTeam("order-7", build, MaxMessageTermination(9)) as team:
        result = await team.run("Write it up.")

AutoGen gives the state of a team that stands still, and stores it nowhere. A kept team stands still after each turn:
its state is stored, and it goes on. Killed, and run again under the same id, it goes on behind the last turn that is
stored; the one within which the process died is done once more.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

from autogen_agentchat.base import TaskResult, TerminationCondition
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage, MessageFactory, StopMessage
from autogen_agentchat.teams import BaseGroupChat
from autogen_core import CancellationToken

from perdure import errors
from perdure.client import AsyncClient

#: Why a team stands still when it is to go on.
TURN_IS_DONE = "The turn is to be kept."
#: A state is compressed and cut into pieces of so many bytes: a server takes values of up to 1 MiB.
PIECE_BYTES = 768 * 1024


class KeptTeam:
    """A team whose every turn is stored. An id stands for one run: run again when it has ended, it gives its result.

    `build` makes the team, with the condition that it is given as its `termination_condition` and without `max_turns`;
    `termination` is the condition under which the run ends. `message_types` are those of your own that agents send.
    `base_url` and `api_key` come from `PERDURE_URL` and `PERDURE_API_KEY` where they are not given.
    """

    def __init__(
        self,
        team_id: str,
        build: Callable[[TerminationCondition], BaseGroupChat],
        termination: TerminationCondition,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        message_types: Sequence[type[BaseAgentEvent | BaseChatMessage]] = (),
        prefix: str = "autogen:",
        client: AsyncClient | None = None,
        **options: Any,
    ) -> None:
        self.team_id = team_id
        self._build = build
        self._termination = termination
        self._messages = MessageFactory()
        for each in message_types:
            self._messages.register(each)
        self._is_own = client is None
        self._client = client or AsyncClient(base_url, api_key, **options)
        self._items = self._client.thread(prefix + quote(team_id, safe="")).items

    async def run(
        self,
        task: str | BaseChatMessage | Sequence[BaseChatMessage] | None = None,
        *,
        cancellation_token: CancellationToken | None = None,
    ) -> TaskResult:
        """Do the task to its end, from wherever it had come to. The task counts only if it was never begun.

        Raises:
            errors.VersionConflict: the run of this id goes on elsewhere.
        """
        kept = await self._read()
        if kept is not None and kept.is_done:
            return self._result(kept)
        if kept is None and task is None:
            raise ValueError(f"{self.team_id} was never begun: it needs a task")
        await self._termination.reset()
        team = self._build(EveryTurn(self._termination))
        if getattr(team, "_max_turns", None) is not None:
            raise ValueError("max_turns would be counted anew after each turn: use MaxMessageTermination")
        if kept is not None:
            await team.load_state(kept.state)
            # What the condition has counted is not in the state: it counts again.
            if stop := await self._termination(self._thread(kept)):
                kept = await self._write(kept.state, stop.content, kept)
            task = None
        while kept is None or not kept.is_done:
            done = await team.run(task=task, cancellation_token=cancellation_token)
            task = None
            reason = None if done.stop_reason == TURN_IS_DONE else done.stop_reason or "The team has stopped."
            kept = await self._write(await team.save_state(), reason, kept)
        return self._result(kept)

    async def close(self) -> None:
        """Close the connections to the server, unless they are somebody else's."""
        if self._is_own:
            await self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # -- what is kept: `head`, and the pieces of the state ----------------------------------------------------------

    async def _read(self) -> Kept | None:
        items = {item["key"]: item async for item in self._items.list()}
        if "head" not in items:
            return None
        head = items["head"]["value"]
        keys = [f"state:{number:04}" for number in range(head["pieces"])]
        content = b"".join(base64.b64decode(items[key]["value_base64"]) for key in keys if key in items)
        try:
            state = json.loads(zlib.decompress(content))
        except (zlib.error, ValueError) as error:
            raise errors.NotRecoverable(f"the state of {self.team_id} is not whole: {error}") from error
        return Kept(state, head["stop_reason"], items["head"]["version"])

    async def _write(self, state: Mapping[str, Any], reason: str | None, before: Kept | None) -> Kept:
        """Store a state, all of it or nothing, if nobody else has stored another."""
        content = zlib.compress(json.dumps(state, separators=(",", ":")).encode())
        pieces = [content[start : start + PIECE_BYTES] for start in range(0, len(content), PIECE_BYTES)]
        head = {"pieces": len(pieces), "stop_reason": reason}
        version = before.version if before else 0
        changes: list[dict[str, Any]] = [{"key": "head", "value": head, "if_version": version}]
        changes += [{"key": f"state:{number:04}", "value": piece} for number, piece in enumerate(pieces)]
        stored = await self._items.put_many(changes)
        return Kept(state, reason, stored[0]["version"])

    def _thread(self, kept: Kept) -> list[BaseAgentEvent | BaseChatMessage]:
        """All messages of the run: a team's manager has them in its state."""
        states = kept.state["agent_states"].values()
        manager = next(state for state in states if "message_thread" in state)
        return [self._messages.create(message) for message in manager["message_thread"]]

    def _result(self, kept: Kept) -> TaskResult:
        return TaskResult(messages=self._thread(kept), stop_reason=kept.stop_reason)


@dataclass(frozen=True, slots=True)
class Kept:
    """What is stored of a team."""

    state: Mapping[str, Any]
    #: why the run has ended; None while it has not
    stop_reason: str | None
    version: int

    @property
    def is_done(self) -> bool:
        return self.stop_reason is not None


class EveryTurn(TerminationCondition):
    """Stops a team after each turn: for good when the condition says so that it stands for."""

    def __init__(self, inner: TerminationCondition) -> None:
        self._inner = inner

    @property
    def terminated(self) -> bool:
        """A team may always go on."""
        return False

    async def __call__(self, messages: Sequence[BaseAgentEvent | BaseChatMessage]) -> StopMessage | None:
        return await self._inner(messages) or StopMessage(content=TURN_IS_DONE, source="perdure")

    async def reset(self) -> None:
        """A team resets its condition whenever it stops; what the inner one has counted goes on counting."""
