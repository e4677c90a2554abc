"""An agent on the websocket that works in four steps and saves each, which says on standard output what it does.

step_agent.py ADDRESS BASE_URL [--linger-before STEP]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import Any

from websockets.sync.client import ClientConnection, connect

STEPS = ("extract", "clean", "model", "report")
#: Long enough to be stopped or killed in it.
LINGER_SECONDS = 2.0


def say(what: str, **more: Any) -> None:
    print(json.dumps({"said": what, "at": time.time(), **more}), flush=True)  # noqa: T201 (that is what it is for)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("base_url")
    parser.add_argument("--linger-before", choices=STEPS)
    options = parser.parse_args()
    headers = {"Authorization": f"Bearer {os.environ['AXME_API_KEY']}"}
    with connect(
        options.base_url.replace("http", "ws", 1) + "/ws/agent", additional_headers=headers
    ) as socket:
        ask(socket, type="hello", address=options.address, max_in_flight=1)
        say("listening")
        for text in socket:
            frame = json.loads(text)
            for delivery in frame.get("deliveries", ()) if frame["type"] == "deliveries" else ():
                work(socket, delivery, options.linger_before)


def work(socket: ClientConnection, delivery: dict[str, Any], linger_before: str | None) -> None:
    """Do what has not been done, and complete."""
    named = {"intent_id": delivery["intent_id"], "lease": delivery["lease"]}
    done = {each["step"]: each["value"] for each in delivery["checkpoints"]}
    say("delivered", known=list(done))
    for number, step in enumerate(STEPS):
        if step in done:
            continue
        if step == linger_before:
            say("lingering")
            time.sleep(LINGER_SECONDS)
        say("did", step=step)
        answer = ask(
            socket, type="checkpoint", step=step, value={"by": os.getpid(), "number": number}, **named
        )
        if not answer["ok"]:
            say("refused", code=answer["results"][0]["error"]["code"])
            return
        done[step] = number
    answer = ask(socket, type="complete", result={"steps": list(done)}, **named)
    say("done" if answer["ok"] else "refused")


def ask(socket: ClientConnection, **frame: Any) -> dict[str, Any]:
    """Send a frame and wait for its answer."""
    ref = str(time.monotonic_ns())
    socket.send(json.dumps({"ref": ref, **frame}))
    while True:
        answer: dict[str, Any] = json.loads(socket.recv())
        if answer.get("ref") == ref:
            return answer


if __name__ == "__main__":
    main()
