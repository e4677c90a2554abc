"""What is said about deliveries, as text: written one by one, checked, and put together into frames of many."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Any

from perdure import errors

#: In this order they leave: what begins or saves work goes before what ends it.
VERBS = {
    "acknowledge": "deliveries",
    "extend": "deliveries",
    "checkpoint": "items",
    "report": "items",
    "complete": "deliveries",
    "fail": "deliveries",
}
LARGEST_COMPANY = 500
#: What a frame, or a body, has beside its items, generously.
ROOM = 512
#: How deep an item may be nested: a frame may be by 64, of which it takes two itself.
DEEPEST = 62
NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')


class Disconnected(Exception):
    """The connection broke before there was an answer. What was sent may have been done all the same."""

    def __init__(self, *, was_sent: bool) -> None:
        super().__init__("the connection to the server is broken")
        self.was_sent = was_sent


@dataclass(frozen=True, slots=True)
class Manner:
    """What items must have in common to share a frame."""

    verb: str
    shared: str = ""


@dataclass(slots=True)
class Said:
    """An item that was said, and what is to come of it."""

    manner: Manner
    text: str
    size: int
    answer: asyncio.Future[dict[str, Any]] = field(repr=False)
    #: a frame that it was in was refused: now it goes alone
    is_suspect: bool = False


def written(item: dict[str, Any], limit: int) -> tuple[str, int]:
    """An item as JSON, and how many bytes that has.

    Raises:
        errors.PayloadTooLarge: these are more than the limit.
        errors.Invalid: the server would refuse it, with all else that is in the frame.
    """
    try:
        text = json.dumps(item, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        size = len(text.encode())
        _refuse_what_spoils_a_frame(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise errors.Invalid(f"it cannot be sent as JSON: {error}", code="not_json") from error
    if size > limit:
        raise errors.PayloadTooLarge(
            f"it has {size} bytes of JSON, and may have {limit}", code="payload_too_large"
        )
    return text, size


def _refuse_what_spoils_a_frame(text: str) -> None:
    """The server refuses such frames unread: with all else that is in them, and without saying whose fault it is."""
    if "\\u0000" in text and NUL.search(text):
        raise ValueError("it contains the character U+0000")
    if text.count("{") + text.count("[") <= DEEPEST:
        return
    depth = 0
    for mark in STRINGS.sub("", text):
        depth += (mark in "{[") - (mark in "}]")
        if depth > DEEPEST:
            raise ValueError(f"it is nested deeper than {DEEPEST} levels")


def settle(said: Said, result: dict[str, Any]) -> None:
    if said.answer.done():
        return
    if result.get("ok"):
        said.answer.set_result(result)
        return
    error = result.get("error") or {}
    said.answer.set_exception(
        errors.of_code(error.get("code", ""), error.get("message", ""), details=error.get("details"))
    )


def companies(said: list[Said], room: int) -> list[list[Said]]:
    """What was said, in as few frames as can be: those of one manner together, in the order of `VERBS`."""
    by_manner: dict[Manner, list[Said]] = {}
    for each in said:
        if not each.answer.done():
            by_manner.setdefault(each.manner, []).append(each)
    frames: list[list[Said]] = []
    order = list(VERBS)
    for manner in sorted(by_manner, key=lambda manner: order.index(manner.verb)):
        company: list[Said] = []
        size = 0
        for each in by_manner[manner]:
            more = each.size + len(manner.shared) + 1
            is_full = len(company) == LARGEST_COMPANY or size + more > room
            if company and (is_full or each.is_suspect):
                frames.append(company)
                company, size = [], 0
            company.append(each)
            size += more
        frames.append(company)
    return frames
