"""Runs of Swarm whose turns are steps: killed in earnest, and held to what Swarm itself does."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from openai.types.chat import ChatCompletionMessage
from swarm import Agent, Swarm
from swarm.types import Result

from perdure import errors
from perdure.codecs import JSON
from perdure.records import Checkpoint
from perdure.steps import Steps
from perdure.swarm import run

ASKED = [{"role": "user", "content": "Refund it."}]


def test_a_run_that_is_killed_in_its_third_turn_does_not_do_the_first_two_again(
    perdure: Any, name: str
) -> None:
    killed = perdure.run("swarm_handoffs.py", name, KILL_AT=3)
    assert killed.was_killed, killed.errors
    assert killed.lines == ["turn 1", "turn 2", "turn 3"]

    again = perdure.run("swarm_handoffs.py", name)
    assert again.status == 0, again.errors
    assert again.lines == ["turn 3", "turn 4", "refunds: refunded 40 €"]


class Notebook:
    """Keeps steps as a server does: the first value of each, as the bytes that it came in."""

    def __init__(self) -> None:
        self.kept: dict[str, Checkpoint] = {}

    def check(self) -> None:
        """Nobody takes the work away."""

    def known(self) -> list[Checkpoint]:
        return list(self.kept.values())

    def fetch(self, step: str) -> tuple[bytes, str]:
        raise AssertionError(f"{step} has its value")

    def save(self, step: str, content: bytes, content_type: str) -> Checkpoint:
        new = step not in self.kept
        value = {"step": step, "content_type": content_type, "value": json.loads(content)}
        return Checkpoint(self.kept.setdefault(step, Checkpoint(value)), created=new)

    def steps(self) -> Steps:
        return Steps(self, JSON)


class Model:
    """Answers what it is told to, one after the other: names of functions to call, or a text."""

    def __init__(self, *script: list[str] | str) -> None:
        self.script = list(script)
        self.asked: list[Any] = []
        self.chat = SimpleNamespace(completions=self)

    def create(self, **request: Any) -> Any:
        self.asked.append(request)
        answer = self.script.pop(0)
        said: dict[str, Any] = {"role": "assistant", "content": None}
        if isinstance(answer, str):
            said["content"] = answer
        else:
            said["tool_calls"] = [
                {"id": f"call-{call}", "type": "function", "function": {"name": call, "arguments": "{}"}}
                for call in answer
            ]
        message = ChatCompletionMessage.model_validate(said)
        return SimpleNamespace(choices=[SimpleNamespace(message=message)])


def desk() -> tuple[Agent, Agent, list[str]]:
    """Two agents, and what their functions have done."""
    done: list[str] = []

    def hand_over() -> Agent:
        done.append("hand_over")
        return refunds

    def find(context_variables: dict[str, Any]) -> Result:
        done.append("find")
        return Result(value="40", context_variables={"amount": 40})

    def pay(context_variables: dict[str, Any]) -> str:
        done.append(f"pay {context_variables['amount']} to {context_variables['customer']}")
        return "paid"

    refunds = Agent(name="refunds", functions=[find, pay])
    return Agent(name="triage", functions=[hand_over]), refunds, done


SCRIPT: list[list[str] | str] = [["hand_over"], ["find"], ["pay"], "Done."]


def test_it_gives_what_swarm_gives() -> None:
    triage, refunds, _ = desk()
    own = Swarm(Model(*SCRIPT)).run(triage, ASKED, context_variables={"customer": "Ada"})

    kept = run(
        Swarm(Model(*SCRIPT)),
        Notebook().steps(),
        triage,
        ASKED,
        agents=[refunds],
        context_variables={"customer": "Ada"},
    )

    assert kept == own


@pytest.mark.parametrize("turns", range(4))
def test_wherever_it_ends_the_next_attempt_does_only_what_is_missing(turns: int) -> None:
    notebook, (triage, refunds, done) = Notebook(), desk()
    context = {"customer": "Ada"}
    model = Model(*SCRIPT[:turns])  # then it fails
    with pytest.raises(IndexError):
        run(Swarm(model), notebook.steps(), triage, ASKED, agents=[refunds], context_variables=context)

    rest = Model(*SCRIPT[turns:])
    kept = run(Swarm(rest), notebook.steps(), triage, ASKED, agents=[refunds], context_variables=context)

    assert done == ["hand_over", "find", "pay 40 to Ada"]
    assert (kept.agent, kept.messages[-1]["content"]) == (refunds, "Done.")
    assert kept.context_variables == {"customer": "Ada", "amount": 40}
    assert len(rest.asked) == 4 - turns


def test_a_run_that_is_done_asks_nobody_again() -> None:
    notebook, (triage, refunds, _) = Notebook(), desk()
    context = {"customer": "Ada"}
    first = run(
        Swarm(Model(*SCRIPT)), notebook.steps(), triage, ASKED, agents=[refunds], context_variables=context
    )

    assert first == run(
        Swarm(Model()), notebook.steps(), triage, ASKED, agents=[refunds], context_variables=context
    )


def test_whoever_is_handed_to_has_to_be_known_and_nothing_is_kept_of_the_turn() -> None:
    notebook, (triage, _, _) = Notebook(), desk()

    with pytest.raises(errors.NotRecoverable, match="refunds"):
        run(Swarm(Model(*SCRIPT)), notebook.steps(), triage, ASKED)
    assert not notebook.kept


def test_an_agent_that_has_gone_from_the_program_is_missed() -> None:
    notebook, (triage, refunds, _) = Notebook(), desk()
    with pytest.raises(IndexError):
        run(Swarm(Model(["hand_over"])), notebook.steps(), triage, ASKED, agents=[refunds])

    with pytest.raises(errors.NotRecoverable, match="refunds"):
        run(Swarm(Model()), notebook.steps(), triage, ASKED)


def test_it_ends_after_as_many_messages_as_swarm_would() -> None:
    triage, refunds, _ = desk()
    own = Swarm(Model(*SCRIPT)).run(triage, ASKED, max_turns=3)

    kept = run(Swarm(Model(*SCRIPT)), Notebook().steps(), triage, ASKED, agents=[refunds], max_turns=3)

    assert kept == own


def test_two_agents_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two agents"):
        run(Swarm(Model()), Notebook().steps(), Agent(name="a"), ASKED, agents=[Agent(name="a")])


def test_two_runs_of_an_intent_go_by_names_of_their_own() -> None:
    notebook, (triage, _, _) = Notebook(), desk()
    step = notebook.steps()
    run(Swarm(Model("One.")), step, triage, ASKED)
    run(Swarm(Model("Two.")), step, triage, ASKED, name="second")

    assert list(notebook.kept) == ["turn-1", "second-1"]
