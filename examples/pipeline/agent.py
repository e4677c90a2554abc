"""The agent of scenario.json: a data pipeline in four steps that may be killed at any time.

    perdure scenarios apply scenario.json
    grep -A2 pipeline-agent-demo ~/.config/perdure/scenario-agents.json
    AXME_API_KEY=<that key> python agent.py

It takes work with the package `axme` as it is, and does each step in `perdure.steps`: what is done stays done. Kill it
in the middle and start it again; it goes on with the step that was cut short.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import perdure
from axme import AxmeClient, AxmeClientConfig

ADDRESS = "pipeline-agent-demo"
STEP_SECONDS = float(os.environ.get("STEP_SECONDS", "3"))


def work_on(name: str, rows: int) -> int:
    """Stands for a step's work: takes its time, and answers how many rows are left for the next one."""
    for tenth in range(1, 11):
        time.sleep(STEP_SECONDS / 10)
        say(f"\r  {name:<10}{rows * tenth // 10:>9,} of {rows:,} rows", end="")
    say("")
    return rows - rows // 100 if name == "validate" else rows


def handle(client: AxmeClient, delivery: dict[str, Any]) -> None:
    """Run the pipeline that was asked for, and resume the intent with what came of it."""
    intent_id = delivery["intent_id"]
    payload = client.get_intent(intent_id)["intent"]["payload"]
    order = payload.get("parent_payload", payload)  # a step of a scenario is given the payload of the whole
    say(f"{intent_id}: {order['pipeline']}")
    rows = int(order["total_rows"])
    with perdure.steps(client, delivery) as step:
        for name in step.done:
            say(f"  {name:<10}is done already")
        for name in order["steps"]:
            rows = step(name, work_on, name, rows)
    client.resume_intent(intent_id, {"action": "complete", "rows": rows, "steps": order["steps"]})
    say("  finished")


def say(text: str, end: str = "\n") -> None:
    sys.stdout.write(text + end)
    sys.stdout.flush()


def main() -> None:
    base_url = os.environ.get("AXME_BASE_URL") or "http://127.0.0.1:8000"
    client = AxmeClient(AxmeClientConfig(api_key=os.environ["AXME_API_KEY"], base_url=base_url))
    say(f"Listens as {ADDRESS}. Ctrl-C, or kill -9, whenever you like.")
    for delivery in client.listen(ADDRESS):
        handle(client, delivery)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        say("\nStopped.")
