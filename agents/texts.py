"""What people type into a line: kept as one line that PostgreSQL can store."""

from __future__ import annotations

from agents.errors import Invalid


def one_line(text: str) -> str:
    """The text without line breaks, U+0000, lone surrogates, and spaces that nobody sees."""
    return " ".join(text.replace("\x00", " ").encode("utf-8", "replace").decode().split())


def checked_line(field: str, text: str, *, longest: int, is_needed: bool = False) -> str:
    """The text as one line.

    Raises:
        Invalid: it is longer than that, or missing.
    """
    line = one_line(text)
    if is_needed and not line:
        raise Invalid(f"{field}: is needed")
    if len(line) > longest:
        raise Invalid(f"{field}: at most {longest} characters, this has {len(line)}")
    return line
