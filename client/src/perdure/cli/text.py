"""Values as people read them in a terminal: short, and harmless whatever a server or an agent has put into them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

#: What would move the cursor, change colours, or turn the direction of a text.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_BREAKS = re.compile(r"[\r\n\t]+")


def harmless(text: str) -> str:
    """The text with every control character made visible; line breaks and tabs stay."""
    return _UNSAFE.sub(
        lambda found: found.group().encode("unicode_escape").decode(), text.replace("\r\n", "\n")
    )


def line(value: Any) -> str:
    """The value on one line; nothing for what is not there."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False)
    return harmless(_BREAKS.sub(" ", str(value)))


def shortened(value: Any, width: int) -> str:
    """The value on one line of at most this many characters."""
    text = line(value)
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def moment(value: Any) -> datetime | None:
    """The point in time that a text of the wire means, if it means one."""
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def ago(value: Any, now: datetime | None = None) -> str:
    """How long ago it was, or how far ahead it is: `3 min ago`, `in 20 s`."""
    at = moment(value) if value else None
    if at is None:
        return ""
    seconds = ((now or datetime.now(UTC)) - at).total_seconds()
    return f"in {duration(-seconds)}" if seconds < -1 else f"{duration(seconds)} ago"


def duration(seconds: float) -> str:
    """A length of time in the largest unit that is not below one."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def size(count: Any) -> str:
    """A number of bytes."""
    if not isinstance(count, int):
        return ""
    if count < 1024:
        return f"{count} B"
    return f"{count / 1024:.1f} KiB" if count < 1024 * 1024 else f"{count / 1024 / 1024:.1f} MiB"
