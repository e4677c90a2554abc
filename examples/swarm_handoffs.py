"""A run of Swarm that is killed in its third turn, after a handoff, and goes on with that turn.

pip install ./client openai-swarm
KILL_AT=3 python examples/swarm_handoffs.py order-7   # two turns, and is killed in the third
python examples/swarm_handoffs.py order-7             # the third turn, and the answer

The model follows a script, so that no key of OpenAI is needed.
"""

import os
import signal
import sys
from types import SimpleNamespace
from typing import Any

import perdure
import perdure.swarm
from openai.types.chat import ChatCompletionMessage
from swarm import Agent as SwarmAgent, Swarm
from swarm.types import Result

ADDRESS = "swarm-desk"


def hand_to_refunds() -> SwarmAgent:
    return refunds


def find_order(context_variables: dict[str, Any]) -> Result:
    return Result(value="order 7: 40 €", context_variables={**context_variables, "amount": 40})


def refund(context_variables: dict[str, Any]) -> str:
    if os.environ.get("KILL_AT") == "3":
        os.kill(os.getpid(), signal.SIGKILL)
    return f"refunded {context_variables['amount']} €"


triage = SwarmAgent(name="triage", functions=[hand_to_refunds])
refunds = SwarmAgent(name="refunds", functions=[find_order, refund])
SCRIPT = ["hand_to_refunds", "find_order", "refund", None]


class ScriptedModel:
    """Answers as a model would, and as OpenAI's client does: by how many calls of functions there have been."""

    def __init__(self) -> None:
        self.chat = SimpleNamespace(completions=self)

    def create(self, *, messages: list[dict[str, Any]], **_: Any) -> Any:
        turn = sum(message["role"] == "tool" for message in messages)
        print(f"turn {turn + 1}", flush=True)
        call = {"name": SCRIPT[turn], "arguments": "{}"}
        said: dict[str, Any] = {"role": "assistant", "content": messages[-1]["content"]}
        if SCRIPT[turn]:
            said["tool_calls"] = [{"id": f"call-{turn}", "type": "function", "function": call}]
        return SimpleNamespace(choices=[SimpleNamespace(message=ChatCompletionMessage.model_validate(said))])


def main(order: str) -> None:
    with perdure.Client() as client:
        client.agents.register(ADDRESS)
        # The same order is the same intent, however often it is submitted.
        client.submit("intent.refund.v1", ADDRESS, {"order": order}, idempotency_key=order)

    agent = perdure.Agent(ADDRESS)

    @agent.handler("intent.refund.v1")
    def handle(delivery: perdure.Delivery) -> dict[str, Any]:
        asked = [{"role": "user", "content": f"I want my money back for {delivery.payload['order']}."}]
        with delivery.steps() as step:
            response = perdure.swarm.run(Swarm(ScriptedModel()), step, triage, asked, agents=[refunds])
        answer = {"by": response.agent.name, "said": response.messages[-1]["content"]}
        print(f"{answer['by']}: {answer['said']}", flush=True)
        agent.stop()  # an agent in earnest would take the next
        return answer

    agent.run()


if __name__ == "__main__":
    main(sys.argv[1])
