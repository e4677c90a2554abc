"""Valkey's answers, cut into replies so far that the messages of its channels can be told from the rest."""

from __future__ import annotations

import random


class Messages:
    """One connection's answers, of which the messages are dropped, doubled or reordered."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._pending = b""
        self._held: bytes | None = None

    def rest(self) -> bytes:
        """What was held back, when nothing is to be held back any more."""
        held, self._held = self._held or b"", None
        pending, self._pending = self._pending, b""
        return held + pending

    def treat(self, data: bytes, mode: str) -> bytes:
        """What is to be passed on of these bytes and of those held back before."""
        self._pending += data
        passed = b""
        while size := _reply(self._pending, 0):
            reply, self._pending = self._pending[:size], self._pending[size:]
            passed += reply if not _is_message(reply) else self._message(reply, mode)
        return passed

    def _message(self, reply: bytes, mode: str) -> bytes:
        if mode == "deaf":
            return b""
        if self._held is None and self._chance.random() < 0.5:
            self._held = reply
            return b""
        before, self._held = self._held or b"", None
        return reply + before + reply


def _is_message(reply: bytes) -> bool:
    return reply[:1] in b"*>" and b"$7\r\nmessage\r\n" in reply[:24]


def _reply(data: bytes, start: int) -> int:
    """Where the reply that begins there ends; 0 if that is not known yet."""
    end = data.find(b"\r\n", start)
    if end < 0:
        return 0
    kind, after = data[start : start + 1], end + 2
    if kind in b"+-:_#,(":
        return after
    number = int(data[start + 1 : end])
    if number < 0:
        return after
    if kind in b"$=!":
        return after + number + 2 if len(data) >= after + number + 2 else 0
    for _ in range(number * (2 if kind == b"%" else 1)):
        after = _reply(data, after)
        if not after:
            return 0
    return after
