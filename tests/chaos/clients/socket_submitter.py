"""A submitter on the websocket: frames of several intents, the same again after a break, and their outcomes."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.chaos.history import Operation

if TYPE_CHECKING:
    from tests.chaos.clients.load import Load

FRAME = 5
PAUSE_SECONDS = 1.5


class SocketSubmitter:
    """One connection after the other, through any door."""

    def __init__(self, load: Load) -> None:
        self.load = load
        #: what is not known to have been accepted, to be said again
        self.unsaid: list[dict[str, Any]] = []
        self.watched: dict[str, None] = {}

    async def run(self) -> None:
        asker = self.load.asker
        while not self.load.is_over.is_set():
            url = asker.chance.choice(asker.urls).replace("http", "ws", 1) + "/ws/agent"
            try:
                async with connect(
                    url,
                    additional_headers={"x-api-key": asker.key},
                    open_timeout=asker.patience,
                    close_timeout=1,
                ) as socket:
                    await self._talk(socket)
            except (OSError, WebSocketException, TimeoutError):
                await asyncio.sleep(0.4)

    async def _talk(self, socket: ClientConnection) -> None:
        load = self.load
        if self.watched:
            again = list(self.watched)[-200:]
            await socket.send(json.dumps({"type": "watch", "ref": "watch", "intents": again}))
        while not load.is_over.is_set():
            intents = self.unsaid or [self._named(load.intent()) for _ in range(FRAME)]
            self.unsaid = intents
            operation = load.journal.invoke(
                "batch",
                markers=[each["payload"]["marker"] for each in intents],
                keys=[each["idempotency_key"] for each in intents],
                by="websocket",
            )
            await self._submit(socket, operation, intents)
            pause = load.chance.uniform(0.3, 1.7) * PAUSE_SECONDS / load.config["pace"]
            await self._listen(socket, pause)

    def _named(self, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "idempotency_key": f"key-{body['payload']['marker']}"}

    async def _submit(
        self, socket: ClientConnection, operation: Operation, intents: list[dict[str, Any]]
    ) -> None:
        try:
            ref = operation.number
            await socket.send(json.dumps({"type": "submit", "ref": ref, "watch": True, "intents": intents}))
            async with asyncio.timeout(self.load.asker.patience):
                while True:
                    frame = self._heard(await socket.recv())
                    if frame.get("ref") == ref:
                        break
        except BaseException:
            operation.unknown()
            raise
        if frame["type"] != "accepted":
            operation.unknown(code=frame["error"]["code"])
            await asyncio.sleep(0.5)
            return
        ids = [each.get("intent_id") for each in frame["results"]]
        codes = [each["error"]["code"] for each in frame["results"] if not each["ok"]]
        if "unavailable" in codes:
            operation.unknown(code="unavailable")
            return
        operation.ok(intents=ids, codes=codes)
        self.unsaid = []
        self.load.accepted += [each for each in ids if each]
        self.watched |= dict.fromkeys(each for each in ids if each)

    async def _listen(self, socket: ClientConnection, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while True:
                    self._heard(await socket.recv())
        except TimeoutError:
            return

    def _heard(self, text: str | bytes) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(text)
        self.load.asker.see(text.encode() if isinstance(text, str) else text)
        for outcome in frame.get("outcomes", ()) if frame.get("type") == "outcomes" else ():
            self.watched.pop(outcome["intent_id"], None)
            self.load.journal.note(
                "watched",
                how="websocket",
                intent=outcome["intent_id"],
                status=outcome["status"],
                seq=outcome["seq"],
            )
        return frame
