"""JSON for people: indented, coloured by kind, foldable by `<details>`, and escaped wherever it holds text."""

from __future__ import annotations

import json
from typing import Any

import orjson
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

#: Deeper or longer than this is shown closed, and more than so many values as plain text: browsers have limits.
OPEN_DEPTH = 3
OPEN_ITEMS = 50
VALUES = 5_000
DEPTH = 64


class _TooLarge(Exception):
    pass


def render(value: Any) -> SafeString:
    """The value as HTML in which nothing is markup but our own."""
    try:
        inner = "".join(_Writer().line("", value, "", 0))
    except _TooLarge:
        inner = escape(_plain(value))
    return mark_safe(f'<div class="json" tabindex="0" role="group" aria-label="JSON">{inner}</div>')  # noqa: S308


class _Writer:
    """Writes one value, and counts what it has written."""

    def __init__(self) -> None:
        self.left = VALUES

    def line(self, name: str, value: Any, comma: str, depth: int) -> list[str]:
        """A value in a line of its own, or in several: what precedes it, itself, and the comma after it."""
        self.left -= 1
        if self.left < 0 or depth > DEPTH:
            raise _TooLarge
        match value:
            case dict() if value:
                items = [
                    (f'<span class="json__name">{_text(key)}</span>: ', item) for key, item in value.items()
                ]
                return self._block(name + "{", items, "}", comma, depth)
            case list() | tuple() if value:
                return self._block(name + "[", [("", item) for item in value], "]", comma, depth)
        return ['<div class="json__item">', name, _scalar(value), comma, "</div>"]

    def _block(
        self, opening: str, items: list[tuple[str, Any]], closing: str, comma: str, depth: int
    ) -> list[str]:
        is_open = depth < OPEN_DEPTH and len(items) <= OPEN_ITEMS
        count = f"{len(items)} item{'s' if len(items) != 1 else ''}"
        parts = [
            f'<details class="json__block"{" open" if is_open else ""}><summary>{opening}'
            f'<span class="json__folded"> {count} {closing}{comma}</span></summary><div class="json__items">'
        ]
        for number, (name, item) in enumerate(items, 1):
            parts += self.line(name, item, "," if number < len(items) else "", depth + 1)
        parts.append(f'</div><span class="json__end">{closing}{comma}</span></details>')
        return parts


def _plain(value: Any) -> str:
    """In one line: indented, what is deep would become many times as long."""
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError:  # a lone surrogate, a huge number, or deeper than orjson goes
        return json.dumps(value, default=str)


def _scalar(value: Any) -> str:
    match value:
        case dict():
            return "{}"
        case list() | tuple():
            return "[]"
        case bool() | None:
            return f'<span class="json__word">{orjson.dumps(value).decode()}</span>'
        case int() | float():
            return f'<span class="json__number">{escape(repr(value))}</span>'
    return f'<span class="json__text">{_text(value if isinstance(value, str) else str(value))}</span>'


def _text(text: str) -> str:
    try:
        return str(escape(orjson.dumps(text).decode()))
    except TypeError:  # a lone surrogate
        return str(escape(repr(text)))
