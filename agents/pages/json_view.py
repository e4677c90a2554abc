"""JSON for people: indented, coloured by kind, foldable by `<details>`, and escaped wherever it holds text."""

from __future__ import annotations

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
        inner = "".join(_Writer().value(value, 0))
    except _TooLarge:
        inner = escape(orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2).decode())
    return mark_safe(f'<div class="json" tabindex="0" role="group" aria-label="JSON">{inner}</div>')  # noqa: S308


class _Writer:
    """Writes one value, and counts what it has written."""

    def __init__(self) -> None:
        self.left = VALUES

    def value(self, value: Any, depth: int) -> list[str]:
        self.left -= 1
        if self.left < 0 or depth > DEPTH:
            raise _TooLarge
        match value:
            case dict() if value:
                pairs = [
                    (f'<span class="json__name">{_text(name)}</span>: ', item) for name, item in value.items()
                ]
                return self._block("{", pairs, "}", depth)
            case list() | tuple() if value:
                return self._block("[", [("", item) for item in value], "]", depth)
            case dict():
                return ["{}"]
            case list() | tuple():
                return ["[]"]
            case str():
                return [f'<span class="json__text">{_text(value)}</span>']
            case bool() | None:
                return [f'<span class="json__word">{orjson.dumps(value).decode()}</span>']
            case int() | float():
                return [f'<span class="json__number">{escape(repr(value))}</span>']
        return [f'<span class="json__text">{_text(str(value))}</span>']

    def _block(self, opening: str, items: list[tuple[str, Any]], closing: str, depth: int) -> list[str]:
        is_open = depth < OPEN_DEPTH and len(items) <= OPEN_ITEMS
        count = f"{len(items)} item{'s' if len(items) != 1 else ''}"
        parts = [
            f'<details class="json__block"{" open" if is_open else ""}><summary>{opening}'
            f'<span class="json__folded"> {count} {closing}</span></summary><div class="json__items">'
        ]
        for number, (name, item) in enumerate(items, 1):
            comma = "," if number < len(items) else ""
            parts += ['<div class="json__item">', name, *self.value(item, depth + 1), comma, "</div>"]
        parts.append(f'</div><span class="json__end">{closing}</span></details>')
        return parts


def _text(text: str) -> str:
    try:
        return str(escape(orjson.dumps(text).decode()))
    except TypeError:  # a lone surrogate
        return str(escape(repr(text)))
