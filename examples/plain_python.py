"""An agent without any framework: kill it at any step, start it again, and it goes on where it was.

pip install ./client
set -a; . .perdure/dev.env; set +a
python examples/plain_python.py agent    # in one terminal; kill -9 it and start it again as often as you like
python examples/plain_python.py submit   # in another
"""

from __future__ import annotations

import sys
import time

from perdure import Agent, Client, Delivery

AGENT = "plain-python"
INTENT = "intent.report.build.v1"

agent = Agent(AGENT)


@agent.handler(INTENT)
def build(delivery: Delivery) -> dict[str, int]:
    """Fetch page after page, then add them up. A page that was fetched is never fetched again."""
    total = 0
    with delivery.steps() as step:
        for page in range(delivery.payload["pages"]):
            total += step(f"page-{page:02}", fetch, page)
    return {"total": total}


def fetch(page: int) -> int:
    """Stands for what takes long and costs money."""
    print(f"fetching page {page}", flush=True)
    time.sleep(0.5)
    return page * 10


def submit() -> None:
    """Ask for a report and print it, however often the agent dies."""
    with Client() as client:
        client.agents.register(AGENT)
        intent = client.submit(INTENT, AGENT, {"pages": 20}, max_delivery_attempts=10)
        print(f"{intent.id} is on disk", flush=True)
        print(client.wait(intent.id).outcome())


if __name__ == "__main__":
    agent.run() if sys.argv[1:] == ["agent"] else submit()
