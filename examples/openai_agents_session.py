"""An agent of the OpenAI Agents SDK that is killed in its third call of a tool, and goes on with that call.

pip install ./client openai-agents
KILL_AT=3 python examples/openai_agents_session.py order-7   # looks up 1 and 2, and is killed at 3
python examples/openai_agents_session.py order-7             # looks up 3, and answers

The model follows a script, so that no key is needed: it asks for the next number that the conversation lacks.
"""

import asyncio
import os
import signal
import sys

from perdure.openai_agents import PerdureSession

from agents import Agent, RunConfig, Runner, function_tool
from agents.testing import ModelCall, ModelStep, ScriptedModel, assistant_message, function_call

NUMBERS = 3


@function_tool
def look_up(number: int) -> str:
    """What there is under a number."""
    print(f"looks up {number}", flush=True)
    if os.environ.get("KILL_AT") == str(number):
        os.kill(os.getpid(), signal.SIGKILL)
    return f"row {number}"


def answer(call: ModelCall) -> ModelStep:
    """What a model would say to this conversation."""
    known = [item["output"] for item in call.input if item.get("type") == "function_call_output"]
    if len(known) == NUMBERS:
        return ModelStep(output=[assistant_message(f"There are {', '.join(known)}.")])
    number = len(known) + 1
    return ModelStep(output=[function_call("look_up", {"number": number}, call_id=f"call-{number}")])


async def main(session_id: str) -> None:
    model = ScriptedModel([ModelStep.respond(answer)] * (NUMBERS + 1))
    agent = Agent(name="clerk", instructions="Look up all numbers.", model=model, tools=[look_up])
    async with PerdureSession(session_id) as session:
        # An empty input goes on with what is there.
        begun = bool(await session.get_items(limit=1))
        config = RunConfig(tracing_disabled=True)
        result = await Runner.run(agent, [] if begun else "Begin.", session=session, run_config=config)
    print(result.final_output)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
