"""Flows of CrewAI against a real server: killed in earnest, and held to what CrewAI itself does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from crewai.flow import human_feedback
from crewai.flow.async_feedback import HumanFeedbackPending
from crewai.flow.flow import Flow, and_, listen, or_, router, start
from crewai.flow.persistence import persist
from pydantic import BaseModel

from perdure import errors
from perdure.crewai import PerdurePersistence

Kept = Callable[..., PerdurePersistence]


@pytest.mark.parametrize("method", [1, 4])
def test_a_flow_that_is_killed_in_a_method_goes_on_with_it(perdure: Any, name: str, method: int) -> None:
    names = ["extract", "clean", "judge", "report"]
    methods = [f"method {number}: {each}" for number, each in enumerate(names, 1)]
    killed = perdure.run("crewai_flow.py", name, KILL_AT=method)
    assert killed.was_killed, killed.errors
    assert [line for line in killed.lines if line.startswith("method")] == methods[:method]

    again = perdure.run("crewai_flow.py", name)
    assert again.status == 0, again.errors
    done = [line for line in again.lines if line.startswith("method")]
    assert done == methods[method - 1 :]
    assert again.lines[-1] == "480 rows after extract, clean, judge"


@pytest.fixture
def kept(perdure: Any) -> Kept:
    def make(**options: Any) -> PerdurePersistence:
        return PerdurePersistence(base_url=perdure.url, api_key=perdure.key, **options)

    return make


class Broken(Exception):
    """Ends a method, as a death would."""


class Rows(BaseModel):
    """What a method gives."""

    count: int


class Work(BaseModel):
    """The state of a flow."""

    id: str = ""
    rounds: int = 0
    seen: list[str] = []


def looping(persistence: PerdurePersistence, breaks_at: str = "") -> tuple[Any, list[str]]:
    """A flow with two beginnings, a join and a loop; and what its methods have done."""
    done: list[str] = []

    def work(flow: Any, what: str) -> None:
        done.append(what)
        if what == breaks_at:
            raise Broken(what)
        flow.state.seen.append(what)

    @persist(persistence)
    class Loop(Flow[Work]):
        @start()
        def left(self) -> Rows:
            work(self, "left")
            return Rows(count=3)

        @start()
        def right(self) -> int:
            work(self, "right")
            return 4

        @listen(and_(left, right))
        def join(self) -> str:
            work(self, "join")
            return "joined"

        @listen(or_(join, "again"))
        def turn(self) -> int:
            self.state.rounds += 1
            work(self, f"turn {self.state.rounds}")
            return self.state.rounds

        @router(turn)
        def decide(self, rounds: int) -> str:
            work(self, f"decide {rounds}")
            return "again" if rounds < 3 else "enough"

        @listen("enough")
        async def end(self) -> str:
            work(self, "end")
            return f"{self.state.rounds} rounds"

    return Loop(suppress_flow_events=True), done


ALL = ["left", "right", "join", "turn 1", "decide 1", "turn 2", "decide 2", "turn 3", "decide 3", "end"]


def test_it_gives_what_the_flow_gives(kept: Kept, name: str) -> None:
    flow, done = looping(kept())

    assert flow.kickoff(inputs={"id": name}) == "3 rounds"
    assert sorted(done) == sorted(ALL)
    assert flow.method_outputs[-1] == "3 rounds"


@pytest.mark.parametrize("where", ALL[2:])
def test_wherever_it_fails_it_goes_on_there_in_loops_too(kept: Kept, name: str, where: str) -> None:
    flow, done = looping(kept(), breaks_at=where)
    with pytest.raises(Broken):
        flow.kickoff(inputs={"id": name})
    assert done[-1] == where

    flow, rest = looping(kept())
    assert flow.kickoff(inputs={"id": name}) == "3 rounds"
    assert rest == ALL[ALL.index(where) :]
    assert sorted(flow.state.seen) == sorted(ALL)
    assert flow.state.rounds == 3


def test_a_run_that_has_ended_starts_over_with_its_state_unless_an_id_stands_for_one(
    kept: Kept, name: str
) -> None:
    looping(kept())[0].kickoff(inputs={"id": name})

    flow, done = looping(kept(once=True))
    assert flow.kickoff(inputs={"id": name}) == "3 rounds"
    assert not done

    flow, done = looping(kept())
    assert flow.kickoff(inputs={"id": name}) == "4 rounds", "the state has three already"
    assert len(done) == 6
    assert len(flow.state.seen) == len(ALL) + 6


def test_what_a_flow_was_begun_with_does_not_come_twice(kept: Kept, name: str) -> None:
    begun: list[int] = []

    def flow(breaks: bool) -> Any:
        @persist(kept())
        class Counting(Flow[Work]):
            @start()
            def count(self) -> None:
                begun.append(self.state.rounds)
                self.state.rounds += 1

            @listen(count)
            def end(self) -> int:
                if breaks:
                    raise Broken
                return self.state.rounds

        return Counting(suppress_flow_events=True)

    with pytest.raises(Broken):
        flow(True).kickoff(inputs={"id": name, "rounds": 7})
    assert flow(False).kickoff(inputs={"id": name, "rounds": 7}) == 8
    assert begun == [7]


def test_a_model_that_a_method_gave_comes_back_as_one(kept: Kept, name: str) -> None:
    def flow(breaks: bool) -> Any:
        @persist(kept())
        class Modelled(Flow[Work]):
            @start()
            def make(self) -> Rows:
                return Rows(count=3)

            @listen(make)
            def use(self, rows: Rows) -> int:
                if breaks:
                    raise Broken
                return rows.count

        return Modelled(suppress_flow_events=True)

    with pytest.raises(Broken):
        flow(True).kickoff(inputs={"id": name})
    assert flow(False).kickoff(inputs={"id": name}) == 3


def test_what_cannot_be_kept_is_refused_where_it_is_given(kept: Kept, name: str) -> None:
    @persist(kept())
    class Odd(Flow[Work]):
        @start()
        def make(self) -> object:
            return object()

    with pytest.raises(errors.NotRecoverable, match="make gives a object"):
        Odd(suppress_flow_events=True).kickoff(inputs={"id": name})


def test_whoever_is_overtaken_stores_nothing(kept: Kept, name: str) -> None:
    slow, _ = looping(kept())
    fast, _ = looping(kept())
    join = slow._methods["join"]

    def overtaken() -> Any:
        fast.kickoff(inputs={"id": name})
        return join()

    slow._methods["join"] = overtaken
    with pytest.raises(RuntimeError, match="State persistence failed") as failed:
        slow.kickoff(inputs={"id": name})
    assert isinstance(failed.value.__cause__, errors.VersionConflict)
    assert looping(kept(once=True))[0].kickoff(inputs={"id": name}) == "3 rounds"


class Somebody:
    """Is asked, and answers some other day."""

    def request_feedback(self, context: Any, flow: Any) -> str:
        raise HumanFeedbackPending(context=context)


def reviewed(persistence: PerdurePersistence, breaks: bool = False) -> tuple[Any, list[str]]:
    done: list[str] = []

    @persist(persistence)
    class Reviewed(Flow[Work]):
        @start()
        def draft(self) -> str:
            done.append("draft")
            return "text"

        @listen(draft)
        @human_feedback(message="Is it good?", provider=Somebody())
        def review(self, text: str) -> str:
            done.append("review")
            return text

        @listen(review)
        def publish(self, answer: Any) -> str:
            done.append("publish")
            if breaks:
                raise Broken
            return f"{answer.output}: {answer.feedback}"

    return Reviewed, done


def test_a_flow_waits_for_a_human_in_no_process(kept: Kept, name: str) -> None:
    flow, done = reviewed(kept())
    assert isinstance(flow(suppress_flow_events=True).kickoff(inputs={"id": name}), HumanFeedbackPending)
    assert done == ["draft", "review"]

    flow, done = reviewed(kept())
    assert flow.from_pending(name, kept(), suppress_flow_events=True).resume("yes") == "text: yes"
    assert done == ["publish"]
    with pytest.raises(ValueError, match="No pending feedback"):
        flow.from_pending(name, kept())

    flow, done = reviewed(kept())
    flow(suppress_flow_events=True).kickoff(inputs={"id": name})
    assert done == ["draft", "review"], "that run has ended, and this is the next"


def test_behind_an_answer_a_flow_that_fails_asks_again(kept: Kept, name: str) -> None:
    flow, _ = reviewed(kept(), breaks=True)
    flow(suppress_flow_events=True).kickoff(inputs={"id": name})
    with pytest.raises(Broken):
        flow.from_pending(name, kept(), suppress_flow_events=True).resume("yes")

    flow, done = reviewed(kept())
    assert isinstance(flow(suppress_flow_events=True).kickoff(inputs={"id": name}), HumanFeedbackPending)
    assert done == ["review"]


def test_ids_of_one_workspace_do_not_meet(kept: Kept, name: str) -> None:
    one, _ = looping(kept(), breaks_at="join")
    with pytest.raises(Broken):
        one.kickoff(inputs={"id": name})

    other, done = looping(kept())
    other.kickoff(inputs={"id": f"{name}/x"})
    assert sorted(done) == sorted(ALL)


def test_the_key_is_not_shown(kept: Kept, perdure: Any) -> None:
    persistence = kept()

    assert perdure.key not in repr(persistence)
    assert perdure.key not in persistence.model_dump_json()
