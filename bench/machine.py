"""What the machine is like while it is measured: how long a commit waits for the disk, and how busy others keep it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from bench.report import Figure, latency

WRITES = 200
BLOCK = b"x" * 8192


def figures(directory: Path) -> Iterator[Figure]:
    """The wait of a small write that has to be on disk, where the database is, and the load before we add ours."""
    load = os.getloadavg()[0]
    note = (
        f"{os.cpu_count()} cores; a load near theirs spoils what follows"
        if load > 1
        else f"{os.cpu_count()} cores"
    )
    yield Figure("machine.load", load, "processes", note=note)
    yield latency("machine.commit_to_disk", list(_writes(directory / "written")))


def _writes(path: Path) -> Iterator[float]:
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
    try:
        for number in range(WRITES):
            os.pwrite(descriptor, BLOCK, number * len(BLOCK))
            started = time.perf_counter()
            os.fdatasync(descriptor)
            yield time.perf_counter() - started
    finally:
        os.close(descriptor)
