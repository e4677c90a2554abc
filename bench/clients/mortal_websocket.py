"""An agent on a websocket that is killed in the middle of its work, again and again."""

import json
import time

from websockets.sync.client import connect

from bench.clients.process import configuration, tell


def main() -> None:
    of = configuration()
    tell(connects_at=time.monotonic())
    headers = {"Authorization": f"Bearer {of['key']}"}
    with connect(of["url"], additional_headers=headers, compression=None) as socket:
        socket.send(json.dumps({"type": "hello", "address": of["address"], "max_in_flight": 1}))
        while True:
            frame = json.loads(socket.recv())
            if frame["type"] == "deliveries":
                started = time.monotonic()
                [delivery] = frame["deliveries"]
                held = {"intent_id": delivery["intent_id"], "lease": delivery["lease"]}
                socket.send(json.dumps({"type": "acknowledge", "ref": 1, **held}))
            elif frame["type"] == "result":
                tell(handler_at=started, attempt=delivery["attempt"])
                time.sleep(3600)  # at work, until killed


if __name__ == "__main__":
    main()
