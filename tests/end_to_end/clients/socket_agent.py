"""An agent on the websocket, which says on standard output what it does.

    socket_agent.py ADDRESS BASE_URL… [--halt-at acknowledging|working|answering] [--work SECONDS]

It connects anew when its connection ends, to the next of its addresses.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

HEARTBEAT_SECONDS = 1.0
#: What was said last about each intent, to say it again if the server could not hear it.
RESULTS: dict[str, dict[str, Any]] = {}


def say(what: str, **more: Any) -> None:
    print(json.dumps({"said": what, "at": time.time(), **more}), flush=True)  # noqa: T201 (that is what it is for)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("base_urls", nargs="+")
    parser.add_argument("--work", type=float, default=0.0)
    parser.add_argument("--halt-at", choices=("acknowledging", "working", "answering"))
    options = parser.parse_args()
    headers = {"Authorization": f"Bearer {os.environ['AXME_API_KEY']}"}
    for base_url in itertools.cycle(options.base_urls):
        address = base_url.replace("http", "ws", 1) + "/ws/agent"
        try:
            with connect(address, additional_headers=headers) as socket:
                serve(socket, options)
        except (WebSocketException, OSError) as error:
            say("disturbed", error=repr(error))
            time.sleep(0.1)


def serve(socket: ClientConnection, options: argparse.Namespace) -> None:
    send(socket, type="hello", address=options.address, max_in_flight=1, client="test")
    for text in socket:
        match json.loads(text):
            case {"type": "welcome"}:
                say("listening")
            case {"type": "deliveries", "deliveries": deliveries}:
                for delivery in deliveries:
                    handle(socket, delivery, options)
            case {"type": "result", "ok": True, "ref": "acknowledged"}:
                pass
            case {"type": "result", "ok": True, "ref": intent_id}:
                say("done", intent_id=intent_id)
            case {"type": "error", "error": {"code": "unavailable"}, "ref": intent_id} if (
                intent_id in RESULTS
            ):
                time.sleep(0.2)
                send(socket, **RESULTS[intent_id])
            case {"type": "ping"}:
                send(socket, type="pong")
            case frame:
                say("told", frame=frame)


def handle(socket: ClientConnection, delivery: dict[str, Any], options: argparse.Namespace) -> None:
    intent_id = delivery["intent_id"]
    named = {"intent_id": intent_id, "lease": delivery["lease"]}
    say("delivered", intent_id=intent_id, delivery=delivery)
    halt_at(options, "acknowledging", intent_id)
    send(socket, type="acknowledge", ref="acknowledged", **named)
    if options.halt_at is not None:
        hear_of(socket, "acknowledged")  # else it depends on the wire whether anybody knows that we began
    say("read", intent_id=intent_id)
    halt_at(options, "working", intent_id)
    ends_at = time.monotonic() + options.work
    while (left := ends_at - time.monotonic()) > 0:
        time.sleep(min(left, HEARTBEAT_SECONDS))
        send(socket, type="heartbeat")
    halt_at(options, "answering", intent_id)
    result = {"by": os.getpid(), "saw": delivery["payload"]}
    RESULTS[intent_id] = {"type": "complete", "ref": intent_id, "result": result, **named}
    send(socket, **RESULTS[intent_id])


def hear_of(socket: ClientConnection, ref: str) -> None:
    """Wait for the answer to this frame."""
    while json.loads(socket.recv()).get("ref") != ref:
        pass


def halt_at(options: argparse.Namespace, where: str, intent_id: str) -> None:
    if options.halt_at == where:
        say("halted", intent_id=intent_id)
        time.sleep(3600)


def send(socket: ClientConnection, **frame: Any) -> None:
    socket.send(json.dumps(frame))


if __name__ == "__main__":
    main()
