"""Conversations of the OpenAI Agents SDK that are kept in Perdure.

    async with PerdureSession("customer-7") as session:
        result = await Runner.run(agent, "And what does it cost?", session=session)

The SDK stores a turn when its tools have run, all in one. After a death, `Runner.run(agent, [], session=session)` goes
on with the turns that are stored; the one within which the process died is done once more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from perdure.client import AsyncClient

if TYPE_CHECKING:
    from agents.items import TResponseInputItem
    from agents.memory import SessionSettings

#: A server takes so many at once.
ITEMS = 500


class PerdureSession:
    """A session: the items of a conversation, in order, which all processes see that use the same id.

    `base_url` and `api_key` come from `PERDURE_URL` and `PERDURE_API_KEY` where they are not given. It belongs to the
    event loop that it was first used in.
    """

    def __init__(
        self,
        session_id: str,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        session_settings: SessionSettings | None = None,
        prefix: str = "openai-agents:",
        client: AsyncClient | None = None,
        **options: Any,
    ) -> None:
        self.session_id = session_id
        self.session_settings = session_settings
        self._is_own = client is None
        self._client = client or AsyncClient(base_url, api_key, **options)
        self._entries = self._client.thread(prefix + quote(session_id, safe="")).entries

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """The items of the conversation, or its `limit` newest, oldest first."""
        if limit is None and self.session_settings is not None:
            limit = self.session_settings.limit
        if limit is None:
            return [entry["value"] async for entry in self._entries.list()]
        if limit <= 0:
            return []
        newest = [entry["value"] async for entry in self._entries.list(order="desc", limit=limit)]
        return newest[::-1]

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Add to the conversation. When this returns, it is on disk; up to 500 items are added all or none."""
        for start in range(0, len(items), ITEMS):
            await self._entries.append(*items[start : start + ITEMS])

    async def pop_item(self) -> TResponseInputItem | None:
        """Take the newest item away, and return it; None if there is none."""
        taken = await self._entries.pop()
        return taken[-1]["value"] if taken else None

    async def clear_session(self) -> None:
        """Take all items away."""
        await self._entries.clear()

    async def close(self) -> None:
        """Close the connections to the server, unless they are somebody else's."""
        if self._is_own:
            await self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
