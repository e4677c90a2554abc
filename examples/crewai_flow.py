"""A flow of CrewAI that is killed within its third method, and goes on with that method.

pip install ./client crewai
KILL_AT=3 python examples/crewai_flow.py order-7   # methods 1 to 3, killed within the last of them
python examples/crewai_flow.py order-7             # methods 3 and 4, and the result

The methods work without a model, so that no key is needed; crews and agents are called from methods the same way.
"""

import os
import signal
import sys

# CrewAI tells its makers of each run unless it is asked not to.
os.environ.setdefault("CREWAI_DISABLE_TELEMETRY", "true")
os.environ.setdefault("CREWAI_TRACING_ENABLED", "false")
os.environ.setdefault("OTEL_SDK_DISABLED", "true")

from crewai.flow.flow import Flow, listen, router, start
from crewai.flow.persistence import persist
from perdure.crewai import PerdurePersistence
from pydantic import BaseModel


class Order(BaseModel):
    """The state of the flow."""

    id: str = ""
    rows: int = 0
    done: list[str] = []


def work(number: int, name: str) -> None:
    """Stands for something that takes long, or must not happen twice."""
    print(f"method {number}: {name}", flush=True)
    if os.environ.get("KILL_AT") == str(number):
        os.kill(os.getpid(), signal.SIGKILL)


@persist(PerdurePersistence())
class Pipeline(Flow[Order]):
    """Four methods; what each gives goes to the next."""

    @start()
    def extract(self) -> int:
        work(1, "extract")
        self.state.done.append("extract")
        return 500

    @listen(extract)
    def clean(self, rows: int) -> int:
        work(2, "clean")
        self.state.done.append("clean")
        self.state.rows = rows - 20
        return self.state.rows

    @router(clean)
    def judge(self, rows: int) -> str:
        work(3, "judge")
        self.state.done.append("judge")
        return "good" if rows > 400 else "bad"

    @listen("good")
    def report(self) -> str:
        work(4, "report")
        return f"{self.state.rows} rows after {', '.join(self.state.done)}"


if __name__ == "__main__":
    print(Pipeline(suppress_flow_events=True).kickoff(inputs={"id": sys.argv[1]}))
