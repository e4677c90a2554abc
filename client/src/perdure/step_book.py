"""Which steps are done, where they are kept, and what is to be done for the next: without doing any of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Protocol

from perdure.codecs import Codec, decode, encode
from perdure.errors import StepRepeated
from perdure.records import Checkpoint


class Store(Protocol):
    """Where steps are kept, for code that blocks."""

    def check(self) -> None:
        """Raise if there is no sense in going on: the lease is lost, or the intent has ended."""

    def known(self) -> list[Checkpoint]:
        """All steps that are done."""

    def fetch(self, step: str) -> tuple[bytes, str]:
        """The bytes of a step that is done, and their content type."""

    def save(self, step: str, content: bytes, content_type: str) -> Checkpoint:
        """Save a step; what is stored then, which may be somebody else's."""


class AsyncStore(Protocol):
    """The same, for code that awaits."""

    def check(self) -> None:
        """As above; needs nobody."""

    async def known(self) -> list[Checkpoint]:
        """As above."""

    async def fetch(self, step: str) -> tuple[bytes, str]:
        """As above."""

    async def save(self, step: str, content: bytes, content_type: str) -> Checkpoint:
        """As above."""


@dataclass(frozen=True, slots=True)
class Fetch:
    step: str


@dataclass(frozen=True, slots=True)
class Save:
    step: str
    content: bytes
    content_type: str


NOTHING: Any = object()


class Book:
    """Which steps are done, and what is to be done for the next: without doing any of it."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.known: dict[str, Checkpoint] = {}
        self._begun: set[str] = set()

    def fill(self, checkpoints: list[Checkpoint]) -> None:
        self.known = {each.step: each for each in checkpoints}

    def begin(self, name: str) -> None:
        """Note that this run has come to the step.

        Raises:
            StepRepeated: it has been there before.
        """
        if name in self._begun:
            raise StepRepeated(
                f"this run has a step {name!r} already; in a loop, put what differs into the name"
            )
        self._begun.add(name)

    def saved(self, name: str, codec: Codec) -> Generator[Fetch, tuple[bytes, str], Any]:
        """The value of a step that is done; `NOTHING` if it is not."""
        if (found := self.known.get(name)) is None:
            return NOTHING
        content, kind = _content(found) if found.has_value else (yield Fetch(name))
        return decode(codec, name, content, kind)

    def save(self, name: str, codec: Codec, value: Any) -> Generator[Fetch | Save, Any, Any]:
        """The value as it is stored: the same that a later attempt will be given."""
        content = encode(codec, name, value)
        stored: Checkpoint = yield Save(name, content, codec.content_type)
        self.known[name] = stored
        if stored.get("created") is not False:
            # As it will be read, so that a first run and a resumed one see the same.
            return decode(codec, name, content, codec.content_type)
        return (yield from self.saved(name, codec))


def _content(found: Checkpoint) -> tuple[bytes, str]:
    if "value_base64" in found:
        return base64.b64decode(found["value_base64"]), found.content_type
    return json.dumps(found["value"], separators=(",", ":")).encode(), found.content_type
