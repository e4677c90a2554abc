"""The HTTP API of the intents app. `ROUTERS` are mounted under /v1."""

from __future__ import annotations

from ninja import Router

from intents.api import (
    checkpoints,
    collection,
    ending,
    holding,
    operating,
    reading,
    scenarios,
    thread_entries,
    thread_items,
    threads,
)

#: (prefix, router), in the order in which their paths are tried: `batch` and `bulk-cancel` are no ids.
ROUTERS: tuple[tuple[str, Router], ...] = (
    ("/intents", collection.router),
    ("/intents", operating.collection),
    ("/intents", reading.router),
    ("/intents", ending.router),
    ("/intents", checkpoints.router),
    ("/intents", holding.router),
    ("/intents", operating.router),
    ("/agents", reading.streams),
    ("/scenarios", scenarios.router),
    ("/threads", threads.router),
    ("/threads", thread_items.router),
    ("/threads", thread_entries.router),
)
