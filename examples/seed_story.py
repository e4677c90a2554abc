"""The story that Perdure exists for: an agent dies in the middle of its work, and the work completes.

`make demo` plays it. A pipeline is submitted, an agent takes it, is killed with SIGKILL in a late step and started
again; the intent is delivered again and completes. The exit code is 0 only if it all came out right.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from typing import Any

from axme import AxmeClient, AxmeClientConfig

from examples import pipeline_agent, running

ROWS = 500_000
#: The agent is killed when it has come so far: late in the third step of four.
FATAL_PROGRESS = "step 3/4 transform 400,000"
PATIENCE_SECONDS = 30.0


class Agent:
    """The agent in a process of its own, whose output is shown and waited for."""

    def __init__(self, facts: dict[str, str]) -> None:
        self.said: list[tuple[float, str]] = []
        self._news = threading.Condition()
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, pipeline_agent.__file__],
            env=os.environ | {name: facts[name] for name in ("AXME_BASE_URL", "AXME_API_KEY")},
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            tell("agent", line.rstrip())
            with self._news:
                self.said.append((time.monotonic(), line))
                self._news.notify_all()

    def wait_until_it_says(self, words: str) -> float:
        """The seconds from its start until it said that."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        with self._news:
            while True:
                for at, line in self.said:
                    if " ".join(line.split()).startswith(words):
                        return at - self.started_at
                if not self._news.wait(deadline - time.monotonic()):
                    raise SystemExit(f"The agent did not say {words!r} within {PATIENCE_SECONDS} s.")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def main() -> int:
    began = time.monotonic()
    tell("demo", "starts PostgreSQL, Valkey, web, worker and beat, unless they run already")
    with running.perdure() as (facts, is_ours):
        how = "is up" if is_ours else "ran already"
        tell("demo", f"Perdure {how} at {facts['AXME_BASE_URL']} after {time.monotonic() - began:.1f} s")
        failures = play(facts)
    for failure in failures:
        tell("demo", f"WRONG: {failure}")
    tell("demo", f"{'failed' if failures else 'done'} after {time.monotonic() - began:.1f} s")
    return 1 if failures else 0


def play(facts: dict[str, str]) -> list[str]:
    """Play the story, and say what came out wrong."""
    client = AxmeClient(AxmeClientConfig(api_key=facts["AXME_API_KEY"], base_url=facts["AXME_BASE_URL"]))
    intent_id = client.send_intent(
        {
            "intent_type": "pipeline.run.v1",
            "to_agent": pipeline_agent.ADDRESS,
            "payload": {"pipeline": "etl-customers", "steps": list(pipeline_agent.STEPS), "rows": ROWS},
        }
    )
    tell("demo", f"submitted {intent_id}: {len(pipeline_agent.STEPS)} steps over {ROWS:,} rows")
    seen = threading.Thread(target=show_events, args=[client, intent_id], daemon=True)
    seen.start()

    first = Agent(facts)
    second: Agent | None = None
    try:
        first.wait_until_it_says(f"takes {intent_id}, attempt 1")
        first.wait_until_it_says(FATAL_PROGRESS)
        first.kill()
        tell("demo", "killed the agent with SIGKILL; starts it again")
        second = Agent(facts)
        from_start = second.wait_until_it_says(f"takes {intent_id}, attempt 2")
        from_listening = from_start - second.wait_until_it_says("listens on")
        tell(
            "demo",
            f"REDELIVERED {from_start * 1000:.0f} ms after the restart, interpreter included; "
            f"{from_listening * 1000:.0f} ms after the agent began to listen",
        )
        ended = client.wait_for(intent_id, timeout_seconds=PATIENCE_SECONDS)
        seen.join(5)
    finally:
        first.kill()
        if second is not None:
            second.kill()
    return list(what_is_wrong(client, intent_id, ended))


def show_events(client: AxmeClient, intent_id: str) -> None:
    """Print each event of the intent's life as it happens, to the last."""
    for event in client.observe(intent_id, timeout_seconds=4 * PATIENCE_SECONDS):
        tell("event", f"{event['seq']:>2} {event['event_type']} ({event['status']})")


def what_is_wrong(client: AxmeClient, intent_id: str, ended: dict[str, Any]) -> list[str]:
    """Everything that a user would mind: the outcome, the attempts, the history."""
    intent = client.get_intent(intent_id)["intent"]
    events = client.list_intent_events(intent_id)["events"]
    numbers = [event["seq"] for event in events]
    result = intent.get("result") or {}
    checks = {
        f"the last event seen was {ended.get('status')}": ended.get("status") == "COMPLETED",
        f"the intent is {intent['status']}": intent["status"] == "COMPLETED",
        f"it took {intent.get('delivery_attempt')} attempts": intent.get("delivery_attempt") == 2,
        f"the history has gaps: {numbers}": numbers == list(range(1, len(numbers) + 1)),
        f"the result is {result}": result.get("rows") == ROWS,
    }
    return [complaint for complaint, is_right in checks.items() if not is_right]


def tell(who: str, text: str) -> None:
    now = datetime.now(UTC).astimezone()
    sys.stdout.write(f"{now:%H:%M:%S}.{now.microsecond // 1000:03} {who:<5} | {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
