"""How values of steps become bytes, and values again.

JSON unless a step says otherwise. The server never looks into the bytes; whoever may write checkpoints of an intent can
however choose them, so a codec must not run what it reads. `PICKLE` does, and has to be asked for by name.
"""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from perdure.errors import NotRecoverable

T = TypeVar("T")


class Codec(Protocol):
    """Turns values into bytes and back."""

    @property
    def content_type(self) -> str:
        """What the bytes are."""

    def encode(self, value: Any) -> bytes:
        """The bytes of a value."""

    def decode(self, content: bytes) -> Any:
        """The value of such bytes."""


@dataclass(frozen=True)
class _Json:
    """Whatever JSON can say. Tuples come back as lists, and keys as strings."""

    content_type: str = "application/json"

    def encode(self, value: Any) -> bytes:
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()

    def decode(self, content: bytes) -> Any:
        return json.loads(content)


@dataclass(frozen=True)
class _Bytes:
    """Bytes, as they are."""

    content_type: str = "application/octet-stream"

    def encode(self, value: Any) -> bytes:
        return bytes(memoryview(value))

    def decode(self, content: bytes) -> bytes:
        return content


@dataclass(frozen=True)
class _Msgpack:
    """MessagePack: like JSON, with bytes in it. Needs the extra `msgpack`."""

    content_type: str = "application/msgpack"

    def encode(self, value: Any) -> bytes:
        import msgpack  # an extra: only who uses it needs it

        packed: bytes = msgpack.packb(value)
        return packed

    def decode(self, content: bytes) -> Any:
        import msgpack

        return msgpack.unpackb(content)


@dataclass(frozen=True)
class _Pickle:
    """Python's pickle. **Reading it runs code that the bytes name**: whoever can write a checkpoint of the intent, with
    a key of its agent or an administrator's, can run anything in the process that reads it. It also breaks when
    classes move. Use it only where you trust all of them, and nothing else will do.
    """

    content_type: str = "application/x-python-pickle"

    def encode(self, value: Any) -> bytes:
        return pickle.dumps(value)

    def decode(self, content: bytes) -> Any:
        return pickle.loads(content)  # noqa: S301  asked for by name, with the warning above


@dataclass(frozen=True)
class _Model:
    """A pydantic model, or anything else with the same two methods."""

    kind: Any
    content_type: str = field(default="application/json")

    def encode(self, value: Any) -> bytes:
        text: str = value.model_dump_json()
        return text.encode()

    def decode(self, content: bytes) -> Any:
        return self.kind.model_validate_json(content)


JSON: Codec = _Json()
BYTES: Codec = _Bytes()
MSGPACK: Codec = _Msgpack()
PICKLE: Codec = _Pickle()


def model(kind: type[T]) -> Codec:
    """The codec for values that are such a pydantic model: validated when they are read."""
    return _Model(kind)


def encode(codec: Codec, step: str, value: Any) -> bytes:
    """The bytes of a step's value.

    Raises:
        NotRecoverable: the codec cannot make any of it; says of which step and how to help it.
    """
    try:
        return codec.encode(value)
    except Exception as error:
        raise NotRecoverable(
            f"step {step!r}: its value, a {type(value).__name__}, cannot be saved as {codec.content_type} ({error}); "
            "return what can, or give the step a codec"
        ) from error


def decode(codec: Codec, step: str, content: bytes, content_type: str) -> Any:
    """The value of a step's bytes.

    Raises:
        NotRecoverable: they are of another kind, or not as the codec wants them.
    """
    if _kind(content_type) != _kind(codec.content_type):
        raise NotRecoverable(
            f"step {step!r} was saved as {content_type}, and is read as {codec.content_type}; "
            "give the step the codec that it was saved with"
        )
    try:
        return codec.decode(content)
    except Exception as error:
        raise NotRecoverable(f"step {step!r}: what is saved cannot be read: {error}") from error


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
