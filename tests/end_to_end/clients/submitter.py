"""Submits intents with the package `axme` until it is told to stop, at whatever is left of the servers.

    submitter.py ADDRESS BASE_URL… [--count N] [--pause SECONDS] [--wait]

Every submission has an idempotency key and is repeated until it is accepted. It says which those are and, with
--wait, how each ended. Ends by itself after N, or when its standard input is closed.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import sys
import time
import uuid
from typing import Any

import httpx
from axme import AxmeClient, AxmeClientConfig, AxmeError


def say(what: str, **more: Any) -> None:
    print(json.dumps({"said": what, "at": time.time(), **more}), flush=True)  # noqa: T201 (that is what it is for)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("base_urls", nargs="+")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--pause", type=float, default=0.0)
    parser.add_argument("--attempts", type=int, default=3)
    parser.add_argument("--wait", action="store_true")
    options = parser.parse_args()
    clients = [
        AxmeClient(AxmeClientConfig(base_url=url, api_key=os.environ["AXME_API_KEY"], max_retries=0))
        for url in options.base_urls
    ]
    for number in range(options.count):
        if is_told_to_stop(options.pause):
            break
        intent_id = submit(clients, number, options)
        if options.wait:
            event = clients[0].wait_for(intent_id, timeout_seconds=60)
            say("ended", intent_id=intent_id, event=event)
    say("finished")


def submit(clients: list[AxmeClient], number: int, options: argparse.Namespace) -> str:
    """Submit one intent, however long that takes."""
    name = str(uuid.uuid4())
    intent = {
        "intent_type": "test.work.v1",
        "to_agent": options.address,
        "payload": {"number": number},
        "max_delivery_attempts": options.attempts,
    }
    while True:
        client = clients[number % len(clients)]
        try:
            answer = client.create_intent(intent, correlation_id=name, idempotency_key=name)
        except (AxmeError, httpx.HTTPError) as error:
            say(
                "refused",
                status=getattr(error, "status_code", 0),
                retry_after=getattr(error, "retry_after", None),
                error=repr(error),
            )
            time.sleep(0.1)
            clients.append(clients.pop(0))
        else:
            say("accepted", intent_id=answer["intent_id"], number=number)
            return str(answer["intent_id"])


def is_told_to_stop(pause: float) -> bool:
    readable, _, _ = select.select([sys.stdin], [], [], pause)
    return bool(readable)


if __name__ == "__main__":
    main()
