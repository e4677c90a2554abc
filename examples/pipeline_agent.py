"""An agent that runs a data pipeline in four steps, written with nothing but the package `axme`.

It knows nothing of crashes: it takes what it is given, works, and answers. AXME_BASE_URL and AXME_API_KEY say where.
"""

import os
import sys
import time
from typing import Any

from axme import AxmeClient, AxmeClientConfig

ADDRESS = "agent://myorg/production/pipeline-agent"
STEPS = ("extract", "validate", "transform", "load")
CHUNKS = 5


def work(client: AxmeClient, delivery: dict[str, Any], chunk_seconds: float) -> None:
    """Run the pipeline that the intent asks for, and resume the intent with what came of it."""
    intent_id = delivery["intent_id"]
    intent = client.get_intent(intent_id)["intent"]
    rows = int(intent["payload"]["rows"])
    say(f"takes {intent_id}, attempt {delivery['delivery_attempt']}")
    for number, step in enumerate(STEPS, 1):
        for chunk in range(1, CHUNKS + 1):
            time.sleep(chunk_seconds)
            say(f"step {number}/{len(STEPS)} {step:<9} {rows * chunk // CHUNKS:>7,} of {rows:,} rows")
    result = {"action": "complete", "status": "success", "steps_completed": list(STEPS), "rows": rows}
    client.resume_intent(intent_id, result)
    say(f"has resumed {intent_id} with its result")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    config = AxmeClientConfig(api_key=os.environ["AXME_API_KEY"], base_url=os.environ["AXME_BASE_URL"])
    chunk_seconds = float(os.environ.get("CHUNK_SECONDS", "0.06"))
    client = AxmeClient(config)
    say(f"listens on {ADDRESS}")
    for delivery in client.listen(ADDRESS):
        work(client, delivery, chunk_seconds)


if __name__ == "__main__":
    main()
