"""The load that peers get counts what it should, and the page shows what was measured."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from bench.peers import load, runner, table
from bench.peers.catalogue import PEERS, Entry
from bench.report import Figure

REPOSITORY = Path(__file__).resolve().parents[2]


class Echo(load.Peer):
    """Answers in the same process, some turns of the loop later."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__({})
        self.result = result
        self.most = self.under_way = 0
        self.queue: asyncio.Queue[int] = asyncio.Queue()

    async def submit(self, payloads: list[load.Payload]) -> None:
        self.under_way += len(payloads)
        self.most = max(self.most, self.under_way)
        for payload in payloads:
            self.queue.put_nowait(payload["n"])
        await asyncio.sleep(0)

    async def watch(self) -> None:
        while True:
            number = await self.queue.get()
            await asyncio.sleep(0)
            self.under_way -= 1
            self.seen(number, self.result)


@pytest.mark.parametrize(("frame", "window"), [(1, load.WINDOW), (100, load.BATCHED_WINDOW)])
async def test_it_counts_each_outcome_once_and_keeps_to_its_window(frame: int, window: int) -> None:
    peer = Echo({"ok": True})
    submitter = load.Submitter(peer)
    watching = asyncio.create_task(peer.watch())

    done = await submitter.press(0.05, frame)
    watching.cancel()

    assert done["count"] == submitter.sent > 0
    assert not peer.open
    assert peer.most <= window


async def test_what_ended_otherwise_is_no_outcome() -> None:
    peer = Echo({"ok": False})
    submitter = load.Submitter(peer)
    submitter.payloads(1)

    with pytest.raises(RuntimeError, match="ended otherwise"):
        peer.seen(1, {"ok": False})
    assert peer.seen_count == 0


async def test_a_stranger_s_outcome_is_not_counted() -> None:
    peer = Echo({"ok": True})

    peer.seen(7, {"ok": True})

    assert peer.seen_count == 0


async def test_the_time_to_the_handler_is_taken_from_results_that_tell() -> None:
    peer = Echo({})
    (payload,) = load.Submitter(peer).payloads(1)

    peer.seen(payload["n"], {"ok": True, "started_ns": payload["sent_ns"] + 3_000_000})

    assert peer.started == [pytest.approx(0.003)]


async def test_it_is_asked_less_often_under_pressure_than_while_one_task_s_time_is_measured() -> None:
    peer = Echo({"ok": True})
    submitter = load.Submitter(peer)
    watching = asyncio.create_task(peer.watch())

    await submitter.press(0.01, 1)
    pressed = peer.look_seconds
    await submitter.pace(0.01, 1000)
    watching.cancel()

    assert pressed == load.PRESSED_LOOK_SECONDS > peer.look_seconds == load.LOOK_SECONDS


class Nobody:
    """No Perdure is needed where nothing is measured."""


class Everything:
    """Options that want all."""

    def wants(self, name: str) -> bool:
        return True


def test_a_peer_that_is_skipped_or_fails_is_named_and_the_others_are_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def measure(_: object, entry: Entry, __: object) -> Iterator[Figure]:
        if entry.name == "dbos":
            raise RuntimeError("it does not answer")
        yield Figure(f"peer_{entry.name}.single", 1.0, "tasks/s")

    monkeypatch.setattr(runner, "_install", lambda name: "no network" if name == "celery" else "")
    monkeypatch.setattr(runner, "_place", lambda *_: nullcontext({}))
    monkeypatch.setattr(runner, "_measure", measure)
    found: list[str] = []

    with pytest.raises(RuntimeError, match="dbos failed, celery is skipped"):
        found.extend(figure.name for figure in runner.figures(Nobody(), Everything()))  # type: ignore[arg-type]
    assert len(found) == len(PEERS) - 2


MEASURED: list[dict[str, Any]] = [
    {"name": "machine.load", "value": 0.2, "unit": "processes", "note": "2 cores"},
    {"name": "machine.commit_to_disk", "value": 0.3, "unit": "ms", "p50": 0.3, "p99": 0.9},
    {"name": "websocket_single", "value": 3000.0, "unit": "lifecycles/s", "runs": [2900.0, 3000.0, 3100.0]},
    {"name": "peer_dbos.single", "value": 700.4, "unit": "tasks/s", "runs": [690.0, 700.4], "note": "dbos 3"},
    {"name": "peer_dbos.start", "value": 9.0, "unit": "ms", "p50": 9.0, "p99": 20.0, "note": "n=9, dbos 3"},
]


def test_the_page_shows_what_was_measured_and_a_dash_for_the_rest() -> None:
    made = table.tables({figure["name"]: figure for figure in MEASURED}).splitlines()

    assert "2 cores; load before it began 0.2; a commit reaches the disk in 0.30 ms, p99 0.90 ms." in made[0]
    assert "| **Perdure, websocket** | 3,000/s (2,900 to 3,100) | — | — | — |" in made
    assert "| DBOS | 700/s (690 to 700) | — | — | 9.0, 20.0 ms |" in made
    assert [line for line in made if line.startswith("| DBOS | dbos 3 |")]
    assert not [line for line in made if "Celery" in line], "it was not measured"


@pytest.mark.parametrize("peer", [entry.name for entry in PEERS])
def test_each_peer_is_locked_with_hashes(peer: str) -> None:
    lock = (REPOSITORY / "bench" / "peers" / peer / "requirements.txt").read_text()
    wanted = (REPOSITORY / "bench" / "peers" / peer / "requirements.in").read_text().split()

    pinned = [line.split("==")[0] for line in lock.splitlines() if "==" in line]
    assert pinned
    assert lock.count("--hash=sha256:") >= len(pinned)
    names = {one.split("[")[0].replace("_", "-") for one in wanted}
    assert names <= {name.split("[")[0] for name in pinned}
