"""An agent written with the package `axme`, as it is: it listens, reads, works and answers."""

from __future__ import annotations

import json
import os
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
from axme import AxmeClient, AxmeClientConfig, AxmeError

from tests.chaos.clients.markers import tenants_in
from tests.chaos.history import Journal

WANTED = frozenset({"DELIVERED", "CREATED", "IN_PROGRESS"})


def main() -> None:
    journal = Journal(Path(os.environ["CHAOS_HISTORY"]), os.environ["CHAOS_NAME"])
    address = os.environ["CHAOS_ADDRESS"]
    journal.note("started", agent="axme", pid=os.getpid())
    while True:
        config = AxmeClientConfig(base_url=os.environ["AXME_BASE_URL"], api_key=os.environ["AXME_API_KEY"])
        client = AxmeClient(config)
        try:
            for delivery in client.listen(address):
                if delivery.get("status") in WANTED:
                    handle(client, journal, delivery)
        except (AxmeError, httpx.HTTPError) as error:
            journal.note("disturbed", error=repr(error)[:200])
            time.sleep(0.2)
        finally:
            client.close()


def handle(client: AxmeClient, journal: Journal, delivery: dict[str, Any]) -> None:
    intent_id, run = delivery["intent_id"], uuid.uuid4().hex[:12]
    attempt, seq = int(delivery["delivery_attempt"]), delivery.get("seq")
    journal.note("run", intent=intent_id, run=run, attempt=attempt, seq=seq, agent="axme")
    intent = client.get_intent(intent_id)["intent"]
    journal.note("seen", tenants=tenants_in(json.dumps(intent).encode()), tenant=os.environ["CHAOS_TENANT"])
    payload = intent["payload"]
    time.sleep(float(payload.get("work", 0)))
    result = {
        "status": "success",
        "run": run,
        "attempt": attempt,
        "seq": seq,
        "marker": payload.get("marker"),
    }
    answer = journal.invoke("complete", intent=intent_id, run=run, attempt=attempt)
    try:
        client.resume_intent(intent_id, {"action": "complete", **result})
    except AxmeError as error:
        status = getattr(error, "status_code", None) or 0
        (answer.failed if 400 <= int(status) < 500 else answer.unknown)(error=repr(error)[:200])
        if "409" in repr(error) or status == 409:
            return
        raise
    except httpx.HTTPError as error:
        answer.unknown(error=repr(error)[:200])
        raise
    answer.ok()


if __name__ == "__main__":
    main()
