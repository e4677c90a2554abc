"""A team of AutoGen that is killed in its third turn, and goes on with that turn.

pip install ./client autogen-agentchat autogen-ext
KILL_AT=3 python examples/autogen_team.py order-7   # two turns, and is killed in the third
python examples/autogen_team.py order-7             # turns 3 to 5, and the whole conversation

The agents write without a model, so that no key is needed; `AssistantAgent`s are kept the same way.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.base import Response, TerminationCondition
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import BaseChatMessage, TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken
from perdure.autogen import KeptTeam

TURNS = 5


class Writer(BaseChatAgent):
    """Adds a line to what it has heard; how much that was is its state."""

    heard = 0
    produced_message_types = (TextMessage,)

    async def on_messages(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> Response:
        self.heard += len(messages)
        turn = int(messages[-1].to_text().split()[-1]) + 1
        print(f"turn {turn}: {self.name}", flush=True)
        if os.environ.get("KILL_AT") == str(turn):
            os.kill(os.getpid(), signal.SIGKILL)
        return Response(
            chat_message=TextMessage(content=f"{self.heard} heard, turn {turn}", source=self.name)
        )

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        self.heard = 0

    async def save_state(self) -> Mapping[str, Any]:
        return {"heard": self.heard}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        self.heard = state["heard"]


def build(stop: TerminationCondition) -> RoundRobinGroupChat:
    """The team."""
    agents = [Writer("ada", "writes"), Writer("bob", "writes too")]
    return RoundRobinGroupChat(agents, termination_condition=stop)


async def main(team_id: str) -> None:
    # The task is a message too.
    async with KeptTeam(team_id, build, MaxMessageTermination(TURNS + 1)) as team:
        result = await team.run("Begin with turn 0")
    print("; ".join(message.to_text() for message in result.messages))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
