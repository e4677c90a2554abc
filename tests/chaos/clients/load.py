"""A tenant's load: it submits in every way, repeats itself, cancels, retries, waits and watches, until told to stop.

python -m tests.chaos.clients.load '{"tenant": …}'; it stops when its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from tests.chaos.clients.asking import Asker
from tests.chaos.clients.markers import marker
from tests.chaos.clients.socket_submitter import SocketSubmitter
from tests.chaos.clients.watching import watch_by_polling, watch_by_stream
from tests.chaos.history import Journal

#: How often a request without a certain answer is repeated.
PERSISTENCE = 40
BATCH = 12
#: What is in hand at the same time of the calls that take long.
MOST_WATCHES = 12


class Load:
    """One tenant's crowd."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.tenant: str = config["tenant"]
        self.chance = random.Random(f"{config['seed']} {config['name']}")
        self.journal = Journal(Path(config["history"]), config["name"])
        self.asker = Asker(
            self.journal, self.tenant, config["key"], config["urls"], self.chance, config["patience"]
        )
        self.accepted: list[str] = []
        self.is_over = asyncio.Event()
        self._numbers = count(1)
        self._run = f"{time.time_ns():x}"
        self._watching: set[asyncio.Task[None]] = set()

    # -- what is submitted -----------------------------------------------------------------------------------

    def intent(self) -> dict[str, Any]:
        """The body of a submission, of a random kind."""
        kind = self.chance.choices(("socket", "axme", "hasty"), (7, 2, 1))[0]
        number = f"{self._run}-{next(self._numbers)}"
        # What can do several at a time works long enough to be killed in it.
        work = self.chance.choice((0, 0.05, 0.3, 0.3, 1.0) if kind == "socket" else (0, 0, 0.02, 0.05))
        body: dict[str, Any] = {
            "intent_type": "chaos.work.v1",
            "to_agent": self.config["addresses"][kind],
            "payload": {
                "marker": marker(self.tenant, number),
                "work": work,
                "steps": self.chance.choice((0, 1, 3)) if kind == "socket" else 0,
            },
            "max_delivery_attempts": 30,
        }
        if self.chance.random() < 0.05:
            body["deadline_at"] = (
                datetime.now(UTC) + timedelta(seconds=self.chance.uniform(1, 6))
            ).isoformat()
        return body

    async def submit_one(self) -> None:
        body = self.intent()
        key = f"key-{body['payload']['marker']}" if self.chance.random() < 0.8 else None
        facts = {"marker": body["payload"]["marker"], "key": key}
        for _ in range(PERSISTENCE if key else 1):
            status, found = await self.asker.ask(
                "submit", "POST", "/v1/intents", facts=facts, body=body, key=key
            )
            if status == 200:
                break
            if 400 <= status < 500:
                return
            await asyncio.sleep(self.chance.uniform(0.1, 0.6))
        else:
            return
        await self._accepted(found["intent_id"])
        if key and self.chance.random() < 0.3:
            await self.asker.ask("submit", "POST", "/v1/intents", facts=facts, body=body, key=key)

    async def submit_batch(self) -> None:
        bodies = [self.intent() for _ in range(BATCH)]
        for body in bodies:
            body["idempotency_key"] = f"key-{body['payload']['marker']}"
        markers = [body["payload"]["marker"] for body in bodies]
        facts = {"markers": markers, "keys": [body["idempotency_key"] for body in bodies]}
        for _ in range(PERSISTENCE):
            status, found = await self.asker.ask(
                "batch", "POST", "/v1/intents/batch", facts=facts, body={"intents": bodies}
            )
            if status == 200:
                for each in found["results"]:
                    if each.get("intent_id"):
                        self.accepted.append(each["intent_id"])
                return
            await asyncio.sleep(self.chance.uniform(0.1, 0.6))

    async def _accepted(self, intent_id: str) -> None:
        """It is on disk, they say: so whoever asks for it finds it."""
        self.accepted.append(intent_id)
        if self.chance.random() < 0.3:
            await self.read(intent_id)

    # -- what else is done with it ---------------------------------------------------------------------------

    def recent(self) -> str | None:
        return self.chance.choice(self.accepted[-200:]) if self.accepted else None

    async def read(self, intent_id: str) -> None:
        await self.asker.ask("read", "GET", f"/v1/intents/{intent_id}", facts={"intent": intent_id})

    async def cancel(self) -> None:
        if self.accepted:
            intent_id = self.chance.choice(self.accepted[-3:])  # before it is done, with some luck
            body = {"status": "CANCELED", "reason": "chaos"}
            facts = {"intent": intent_id}
            await self.asker.ask("cancel", "POST", f"/v1/intents/{intent_id}/resolve", facts=facts, body=body)

    async def retry(self) -> None:
        if not (intent_id := self.recent()):
            return
        key = f"retry-{intent_id}-{self.chance.randrange(10**9)}"
        inherits = self.chance.random() < 0.7
        facts = {"intent_before": intent_id, "key": key, "inherits": inherits}
        for _ in range(PERSISTENCE):
            status, found = await self.asker.ask(
                "retry",
                "POST",
                f"/v1/intents/{intent_id}/retry",
                facts=facts,
                body={"checkpoints": inherits},
                key=key,
            )
            if status == 200:
                self.accepted.append(found["intent_id"])
            if status == 200 or 400 <= status < 500:
                return
            await asyncio.sleep(self.chance.uniform(0.1, 0.6))

    async def redeliver(self) -> None:
        if intent_id := self.recent():
            path = f"/v1/intents/{intent_id}/redeliver"
            await self.asker.ask("redeliver", "POST", path, facts={"intent": intent_id})

    async def end_at_once(self) -> None:
        """Complete, cancel and deadline within a millisecond: one of them ends it."""
        body = self.intent()
        body["to_agent"] = self.config["addresses"]["absent"]
        moment = datetime.now(UTC) + timedelta(seconds=1.2)
        body["deadline_at"] = moment.isoformat()
        facts = {"marker": body["payload"]["marker"], "key": None}
        status, found = await self.asker.ask("submit", "POST", "/v1/intents", facts=facts, body=body)
        if status != 200:
            return
        intent_id = found["intent_id"]  # not for others to be repeated: nobody would do it
        # The sweep that ends what is overdue comes within the second after the deadline.
        left = (moment - datetime.now(UTC)).total_seconds() + self.chance.uniform(0, 0.9)
        await asyncio.sleep(max(0, left))
        path, facts = f"/v1/intents/{intent_id}/resolve", {"intent": intent_id}
        await asyncio.gather(
            self.asker.ask("complete", "POST", path, facts=facts, body={"status": "COMPLETED", "result": {}}),
            self.asker.ask(
                "cancel", "POST", path, facts=facts, body={"status": "CANCELED", "reason": "at once"}
            ),
        )

    async def watch(self) -> None:
        """Follow an intent to its end, by itself and beside the others."""
        if len(self._watching) >= MOST_WATCHES or not (intent_id := self.recent()):
            return
        how = self.chance.choice((watch_by_stream, watch_by_stream, watch_by_polling))
        after = self.chance.choice((0, 0, 1, 2, 3))
        task = asyncio.create_task(self._noting_a_crash(how(self.asker, intent_id, after, self.is_over)))
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    async def spy(self) -> None:
        """Ask for what is another tenant's."""
        ids = await asyncio.to_thread(self._ids_of_others)
        if ids:
            intent_id = self.chance.choice(ids)
            path = f"/v1/intents/{intent_id}"
            await self.asker.ask("spy", "GET", path, facts={"intent": intent_id})
            await self.asker.ask(
                "spy", "POST", f"{path}/resolve", facts={"intent": intent_id}, body={"status": "CANCELED"}
            )

    def _ids_of_others(self) -> list[str]:
        """What others were told not long ago."""
        paths = list(Path(self.config["history"]).glob("load-*.jsonl"))
        theirs = [path for path in paths if not path.name.startswith(self.config["name"])]
        if not theirs:
            return []
        tail = self.chance.choice(theirs).read_bytes()[-20_000:].split(b"\n")[1:-1]
        return [
            entry["intent"] for entry in map(json.loads, tail) if entry["kind"] == "ok" and "intent" in entry
        ]

    async def browse(self) -> None:
        await self.asker.ask("list", "GET", "/v1/intents?limit=50", facts={"tenant": self.tenant})

    # -- all of it -------------------------------------------------------------------------------------------

    async def run(self) -> None:
        pace = float(self.config["pace"])
        crowd = [
            self._every(0.25 / pace, self.submit_one),
            self._every(0.25 / pace, self.submit_one),
            self._every(2.0 / pace, self.submit_batch),
            self._every(1.0 / pace, self.cancel),
            self._every(2.0 / pace, self.retry),
            self._every(3.0 / pace, self.redeliver),
            self._every(2.0 / pace, self.end_at_once),
            self._every(0.4 / pace, self.watch),
            self._every(2.0 / pace, self.spy),
            self._every(1.5 / pace, self.browse),
            SocketSubmitter(self).run(),
        ]
        self.journal.note("load")
        tasks = [asyncio.create_task(self._noting_a_crash(each)) for each in crowd]
        await _end_of_input()
        self.is_over.set()
        await asyncio.wait(tasks, timeout=25)
        if self._watching:
            await asyncio.wait(list(self._watching), timeout=5)
        for task in (*tasks, *self._watching):
            task.cancel()
        await asyncio.gather(*tasks, *self._watching, return_exceptions=True)
        await self.asker.close()
        self.journal.note("stopped")

    async def _noting_a_crash(self, doing: Coroutine[Any, Any, None]) -> None:
        """Do it; a failure, which is a mistake of ours or an answer that nobody understands, is written down."""
        try:
            await doing
        except Exception as error:  # noqa: BLE001  whatever it is: who does nothing any more proves nothing
            self.journal.note("crashed", what=getattr(doing, "__qualname__", "?"), error=repr(error)[:300])

    async def _every(self, seconds: float, do: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do it again and again, unevenly."""
        while not self.is_over.is_set():
            await asyncio.sleep(self.chance.uniform(0.2, 1.8) * seconds)
            await self._noting_a_crash(do())


async def _end_of_input() -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


async def main() -> None:
    await Load(json.loads(sys.argv[1])).run()


if __name__ == "__main__":
    asyncio.run(main())
