"""An agent as its developer writes it: the package `axme`, a loop over `listen`, one intent after the other."""

from __future__ import annotations

import sys
import threading
import time

from axme import AxmeClient, AxmeClientConfig

from bench.clients.process import configuration, tell


def main() -> None:
    of = configuration()
    waits: list[float] = []

    def work() -> None:
        client = AxmeClient(AxmeClientConfig(base_url=of["url"], api_key=of["key"]))
        for delivery in client.listen(of["address"]):
            waits.append((time.monotonic_ns() - delivery["payload"]["sent_ns"]) / 1e9)
            client.resume_intent(delivery["intent_id"], {"ok": True, "n": delivery["payload"]["n"]})

    threading.Thread(target=work, daemon=True).start()
    time.sleep(0.5)  # the stream opens meanwhile
    tell(ready=True)
    sys.stdin.readline()
    tell(waits=waits, count=len(waits))


if __name__ == "__main__":
    main()
