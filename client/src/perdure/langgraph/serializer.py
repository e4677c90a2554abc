"""What the saver makes of stored bytes, where nobody has given it a serializer of their own."""

from __future__ import annotations

from typing import Any

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer


class SafeSerializer(JsonPlusSerializer):
    """LangGraph's serializer, which here makes nothing but what LangGraph lists as harmless.

    Whoever has a key of the workspace may write to its threads. By default LangGraph would import and call whatever the
    bytes name; so a checkpoint would run its writer's code with whoever reads it.
    """

    def __init__(self) -> None:
        super().__init__(allowed_msgpack_modules=None)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """What `dumps_typed` made."""
        if data[0] == "json":  # what LangGraph once wrote, and this saver never did: it names classes, too
            raise NotImplementedError("a checkpoint of Perdure is never json")
        return super().loads_typed(data)
