"""After the last fault: a tenant looks at everything once more, each way there is, through each door.

python -m tests.chaos.clients.observe '{"tenant": …, "sample": 100}'
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from pathlib import Path
from typing import Any

import httpx
from axme import AxmeClient, AxmeClientConfig, AxmeError
from websockets.asyncio.client import connect

from tests.chaos.clients.asking import Asker
from tests.chaos.clients.watching import list_all, watch_by_polling, watch_by_stream
from tests.chaos.history import Journal


async def main(config: dict[str, Any]) -> None:
    chance = random.Random(config["tenant"])
    journal = Journal(Path(config["history"]), f"observer-{config['tenant']}")
    never = asyncio.Event()
    ids: list[str] = config["intents"]
    chance.shuffle(ids)
    sample = ids[: config["sample"]]
    for url in config["urls"]:
        asker = Asker(journal, config["tenant"], config["key"], [url], chance, 30)
        await list_all(asker)
        crowd = asyncio.Semaphore(8)

        async def look(intent_id: str, asker: Asker = asker, crowd: asyncio.Semaphore = crowd) -> None:
            async with crowd:
                await watch_by_stream(asker, intent_id, chance.choice((0, 0, 1, 2, 4)), never)
                await watch_by_polling(asker, intent_id, 0, never)

        await asyncio.gather(*map(look, sample))
        await outcomes(asker, url, sample)
        await waited_for(asker, url, sample)
        await asker.close()


async def outcomes(asker: Asker, url: str, ids: list[str]) -> None:
    """What the websocket says of how these ended."""
    address = url.replace("http", "ws", 1) + "/ws/agent"
    left = set(ids)
    async with connect(address, additional_headers={"x-api-key": asker.key}, open_timeout=60) as socket:
        await socket.send(json.dumps({"type": "watch", "ref": 1, "intents": ids}))
        try:
            async with asyncio.timeout(60):
                while left:
                    text = str(await socket.recv())
                    asker.see(text.encode())
                    for outcome in json.loads(text).get("outcomes", ()):
                        left.discard(outcome["intent_id"])
                        asker.journal.note(
                            "watched",
                            how="websocket",
                            intent=outcome["intent_id"],
                            status=outcome["status"],
                            seq=outcome["seq"],
                        )
        except TimeoutError:
            asker.journal.note("unobserved", how="websocket", intents=sorted(left))


async def waited_for(asker: Asker, url: str, ids: list[str]) -> None:
    """What the package `axme` says to who waits for their ends."""
    crowd = asyncio.Semaphore(4)
    client = AxmeClient(AxmeClientConfig(base_url=url, api_key=asker.key))

    async def wait(intent_id: str) -> None:
        async with crowd:
            try:
                event = await asyncio.to_thread(client.wait_for, intent_id, timeout_seconds=60)
            except (AxmeError, httpx.HTTPError, TimeoutError) as error:
                asker.journal.note("unobserved", how="wait_for", intents=[intent_id], error=repr(error)[:300])
            else:
                asker.see(json.dumps(event).encode())
                asker.journal.note(
                    "watched", how="wait_for", intent=intent_id, status=event["status"], seq=event["seq"]
                )

    await asyncio.gather(*map(wait, ids))
    client.close()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.stdin.read())))
