"""An agent as its developer would write it with the package `axme`, which says on standard output what it does.

    agent.py ADDRESS BASE_URL… [--work SECONDS] [--halt-at reading|working|answering]

Where it halts, it stays until it is killed. When its server goes away it tries the next of its addresses.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from typing import Any

import httpx
from axme import AxmeClient, AxmeClientConfig, AxmeError

WANTED = frozenset({"DELIVERED", "CREATED", "IN_PROGRESS"})


def say(what: str, **more: Any) -> None:
    print(json.dumps({"said": what, "at": time.time(), **more}), flush=True)  # noqa: T201 (that is what it is for)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("base_urls", nargs="+")
    parser.add_argument("--work", type=float, default=0.0)
    parser.add_argument("--halt-at", choices=("reading", "working", "answering"))
    options = parser.parse_args()
    for base_url in itertools.cycle(options.base_urls):
        client = AxmeClient(AxmeClientConfig(base_url=base_url, api_key=os.environ["AXME_API_KEY"]))
        try:
            say("listening", base_url=base_url)
            for delivery in client.listen(options.address):
                if delivery.get("status") in WANTED:
                    handle(client, delivery, options)
        except (AxmeError, httpx.HTTPError) as error:
            say("disturbed", error=repr(error))
            time.sleep(0.1)
        finally:
            client.close()


def handle(client: AxmeClient, delivery: dict[str, Any], options: argparse.Namespace) -> None:
    intent_id = delivery["intent_id"]
    say("delivered", intent_id=intent_id, delivery=delivery)
    halt_at(options, "reading", intent_id)
    payload = client.get_intent(intent_id)["intent"]["payload"]
    say("read", intent_id=intent_id, payload=payload)
    halt_at(options, "working", intent_id)
    time.sleep(options.work)
    halt_at(options, "answering", intent_id)
    result = {"action": "complete", "status": "success", "by": os.getpid(), "saw": payload}
    client.resume_intent(intent_id, result)
    say("done", intent_id=intent_id)


def halt_at(options: argparse.Namespace, where: str, intent_id: str) -> None:
    if options.halt_at == where:
        say("halted", intent_id=intent_id)
        time.sleep(3600)


if __name__ == "__main__":
    main()
