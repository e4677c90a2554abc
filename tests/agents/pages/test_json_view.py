"""JSON for people: whatever strangers put into it, it stays text."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from agents.pages.json_view import DEPTH, VALUES, render

OUR_TAGS = re.compile(r"</?(?:div|span|details|summary)(?: [a-z-]+(?:=\"[\w -]*\")?)*>")
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</span></div></details><h1>",
    "' onmouseover='x",
    "&lt;b&gt;",
    "\x00\x1b[31m\u202e\u2028",
    "\ud800",
]


def nested(depth: int) -> Any:
    value: Any = "<b>"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("wrap", [lambda t: t, lambda t: {t: t}, lambda t: [[t], {"a": {"b": {t: [t]}}}]])
def test_no_text_becomes_markup(text: str, wrap: Any) -> None:
    left = OUR_TAGS.sub("", render(wrap(text)))

    assert not set(left) & set("<>\"'"), left


@pytest.mark.parametrize(
    "value", [nested(DEPTH + 10), ["<b>"] * (VALUES + 1), {"\ud800<b>": nested(DEPTH + 1)}]
)
def test_what_is_too_deep_or_too_long_is_plain_text(value: Any) -> None:
    html = render(value)

    assert "<details" not in html
    assert "<b>" not in html
    assert "&lt;b&gt;" in html


def test_a_block_begins_with_its_name_and_ends_with_its_comma() -> None:
    html = render({"a": {"b": [1, "x"]}, "c": None})

    assert '<summary><span class="json__name">&quot;a&quot;</span>: {' in html
    assert '<span class="json__end">},</span></details><div class="json__item">' in html
    assert unescape(re.sub(r'<span class="json__folded">.*?</span>|<[^>]*>', "", html)) == (
        '{"a": {"b": [1,"x"]},"c": null}'
    )


def test_deep_blocks_and_long_ones_are_folded() -> None:
    assert render(nested(5)).count(" open>") == 3
    assert " open>" not in render(list(range(51)))
    assert "51 items ]" in render(list(range(51)))
