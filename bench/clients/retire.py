"""Lets go of old intents as the worker's task does, one run after the other, until it is told to stop."""

from __future__ import annotations

import os
import sys
import threading
import time
from uuid import UUID

import django

from bench.clients.process import configuration, tell


def main() -> None:
    of = configuration()
    os.environ.update(of["environment"])
    django.setup()
    from intents import retention  # its models need the settings

    stopping = threading.Event()
    tell(ready=True)
    sys.stdin.readline()

    def hear() -> None:
        sys.stdin.readline()
        stopping.set()

    threading.Thread(target=hear, daemon=True).start()
    gone, after, started = 0, UUID(int=0), time.monotonic()
    is_all = False
    while not stopping.is_set() and not is_all:
        retired = retention.retire(after=after, seconds=0.5, days=of["days"])
        gone, is_all = gone + retired.gone, retired.after is None
        after = retired.after or after
    seconds = time.monotonic() - started
    stopping.wait()
    tell(gone=gone, seconds=seconds, is_all=is_all)


if __name__ == "__main__":
    main()
