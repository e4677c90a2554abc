"""The way where websockets are blocked: deliveries come down a stream of server-sent events, requests go up.

What it hears and says is the same as over a websocket, under the same leases; only that each thing said is a request.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import Any

import httpx

from perdure import errors, plans
from perdure.client import AsyncClient
from perdure.framing import ROOM, written
from perdure.intents import path_of
from perdure.sse import ServerEvent, SseDecoder
from perdure.ways import GREETING_SECONDS, Ended, Listener

log = logging.getLogger("perdure.agent")

#: How long the stream is held while there is nothing to do; the longest that the server allows.
WAIT_SECONDS = 60
HOPELESS = (401, 403, 404, 422)
#: What a delivery is called in the stream, where the websocket calls it otherwise.
NAMES = {"lease_token": "lease", "delivery_attempt": "attempt", "max_delivery_attempts": "max_attempts"}


class StreamWay:
    """Speaks with the server in requests, and listens to a stream."""

    has_frames = False

    def __init__(self, client: AsyncClient, hello: dict[str, Any], listener: Listener) -> None:
        self._client = client
        self._hello = hello
        self._listener = listener
        self._since = 0
        self._reading: asyncio.Task[Ended] | None = None
        self._largest_body = 128 * 1024

    # -- the stream -------------------------------------------------------------------------------------------------

    async def connection(self) -> Ended:
        """One stream from its beginning to its end, and why it ended."""
        self._reading = asyncio.create_task(self._read(), name="perdure stream")
        try:
            await asyncio.wait({self._reading})
        finally:
            self._reading.cancel()
            self._listener.went_down()
        if self._reading.cancelled():
            return Ended("closed")
        return self._reading.result()

    async def close(self) -> None:
        """Leave for good."""
        if (reading := self._reading) is not None:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading

    async def tell(self, frame: dict[str, Any]) -> None:
        """Say nothing: all that a websocket is told so is a heartbeat, and here each lease is extended by itself."""

    async def _read(self) -> Ended:
        path = f"/v1/agents/{plans.segment(self._hello['address'])}/intents/stream"
        params = {"told": 1, "wait_seconds": WAIT_SECONDS, "since": self._since}
        if "max_in_flight" in self._hello:
            params["max_in_flight"] = self._hello["max_in_flight"]
        # The server says something every 25 s at least.
        timeout = httpx.Timeout(plans.STREAM_SILENCE, connect=5.0)
        try:
            async with self._client._runner.http.stream(
                "GET", path, params=params, timeout=timeout
            ) as answer:
                if answer.status_code != httpx.codes.OK:
                    return _refused(path, answer.status_code, await answer.aread())
                return await self._listen(answer)
        except (httpx.HTTPError, httpx.StreamError, TimeoutError) as error:
            return Ended(str(error) or type(error).__name__)

    async def _listen(self, answer: httpx.Response) -> Ended:
        decoder, is_welcome = SseDecoder(), False
        pieces = answer.aiter_bytes()
        while True:
            async with asyncio.timeout(None if is_welcome else GREETING_SECONDS):
                piece = await anext(pieces, b"")
            if not piece:
                return Ended("the stream broke off")
            for event in decoder.feed(piece):
                if event.name == "stream.timeout":
                    return Ended("", is_orderly=True)
                is_welcome = is_welcome or event.name == "delivery.welcome"
                await self._hear(event)

    async def _hear(self, event: ServerEvent) -> None:
        data = event.json()
        match event.name:
            case "delivery.welcome":
                self._largest_body = int(data["max_body_bytes"])
                self._listener.came_up(data)
            case "delivery.canceled" | "delivery.lease_lost":
                kind = event.name.removeprefix("delivery.")
                self._listener.hear({"type": kind, "deliveries": [data]})
            case name if name.startswith("intent.") and "lease_token" in data:
                self._since = max(self._since, int(data["seq"]))
                if (delivery := await self._whole(data)) is not None:
                    self._listener.hear({"type": "deliveries", "deliveries": [delivery]})

    async def _whole(self, data: dict[str, Any]) -> dict[str, Any] | None:
        """A delivery as the websocket has it: a payload that is too large for the stream is asked for."""
        delivery = {NAMES.get(name, name): value for name, value in data.items()}
        if "payload" not in delivery:
            try:
                delivery["payload"] = (await self._client.get(delivery["intent_id"])).get("payload")
            except errors.ApiError as error:
                log.warning("intent %s cannot be read: %s", delivery["intent_id"], error)
                return None
        return delivery

    # -- what is said -----------------------------------------------------------------------------------------------

    async def ask(self, verb: str, item: dict[str, Any], **shared: Any) -> dict[str, Any]:
        """What the server answers to one item: see `Link.ask`."""
        route, body = _request(verb, item, shared)
        content = written(body, self._largest_body - ROOM)[0].encode() if body is not None else None
        headers = {"x-perdure-lease": item["lease"]}
        if content is not None:
            headers["content-type"] = "application/json"
        answer = await self._client.request(
            "POST",
            path_of(item["intent_id"], route),
            content=content,
            headers=headers,
            # These may be repeated as often as one likes.
            idempotency_key=False if verb in ("acknowledge", "extend") else None,
        )
        return answer if isinstance(answer, dict) else {}


def _request(verb: str, item: dict[str, Any], shared: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """Where a thing is said, and how."""
    match verb:
        case "acknowledge" | "extend":
            return verb, None
        case "report":
            return "usage", {name: item[name] for name in ("cost_usd", "tokens", "model") if name in item}
        case "complete":
            result = item.get("result")
            result = result if isinstance(result, dict) else {"result": result}
            return "resolve", {"status": "COMPLETED", "result": result}
        case "fail" if shared.get("retryable"):
            return "release", {"error": item["error"]}
        case "fail":
            return "resolve", {
                "status": "FAILED",
                "error": {"category": "internal", "retryable": False, **item["error"]},
            }
        case _:
            raise ValueError(f"there is no request for {verb!r}")


def _refused(path: str, status: int, content: bytes) -> Ended:
    """What is to come of a stream that was refused.

    Raises:
        errors.ApiError: nothing: the next time it would be the same.
    """
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    error = errors.of_answer(status, body, path=path, text=content[:500].decode("utf-8", "replace"))
    if status in HOPELESS:
        raise error
    return Ended(f"HTTP {status}")
