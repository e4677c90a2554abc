"""What a command says: one JSON document with `--json`, else tables and facts, in colour only where that helps.

The result goes to standard output, everything beside it to standard error. Nothing that a server said is taken for
markup or reaches the terminal's own language.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from perdure.cli.exits import CliError
from perdure.cli.text import harmless, line

if TYPE_CHECKING:
    from rich.console import Console

#: The colour is never the only sign: the word stands beside it.
STYLES = {
    "COMPLETED": "green",
    "FAILED": "red",
    "TIMED_OUT": "red",
    "CANCELED": "magenta",
    "WAITING": "yellow",
    "IN_PROGRESS": "cyan",
    "DELIVERED": "cyan",
    "ACKNOWLEDGED": "cyan",
    "active": "green",
    "healthy": "green",
    "ok": "green",
    "degraded": "yellow",
    "warning": "yellow",
    "unreachable": "red",
    "suspended": "red",
    "killed": "red",
    "revoked": "red",
    "deleted": "red",
    "expired": "red",
    "failed": "red",
}
GAP = 2


class Output:
    """Where a command writes to."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json

    @cached_property
    def console(self) -> Console:
        """Standard output. It knows NO_COLOR, dumb terminals, and whether anybody looks."""
        return _console(stderr=False)

    @cached_property
    def beside(self) -> Console:
        """Standard error."""
        return _console(stderr=True)

    @property
    def is_live(self) -> bool:
        """Whether somebody looks at a terminal that can be written on anew."""
        return not self.as_json and self.console.is_terminal and not self.console.is_dumb_terminal

    def document(self, document: Mapping[str, Any]) -> None:
        """Write the one document of `--json`."""
        # ASCII: the same bytes in every locale, and nothing in it that a terminal would obey.
        sys.stdout.write(json.dumps(document, indent=2 if sys.stdout.isatty() else None) + "\n")
        sys.stdout.flush()

    def say(self, text: str, style: str = "") -> None:
        """Write a line of the result."""
        if not self.as_json:
            self.console.print(harmless(text), style=style or None, soft_wrap=True)

    def note(self, text: str, style: str = "dim") -> None:
        """Write a line beside the result."""
        if not self.as_json:
            self.beside.print(harmless(text), style=style, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Write a warning beside the result."""
        self.note(f"Warning: {text}", "yellow")

    def facts(self, facts: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        """Write `name: value` lines, without those that have none."""
        if self.as_json:
            return
        from rich.text import Text

        for name, value in facts.items() if isinstance(facts, Mapping) else facts:
            if value is None or value == "":
                continue
            text = line(value)
            self.console.print(Text.assemble((f"{name}: ", "bold"), (text, _style(text))), soft_wrap=True)

    def block(self, name: str, value: Any) -> None:
        """Write a larger value below its name."""
        if self.as_json or value in (None, {}, []):
            return
        self.console.print(f"{name}:", style="bold")
        text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
        for part in harmless(text).split("\n"):
            self.console.print(f"  {part}", soft_wrap=True)

    def table(self, names: Sequence[str], rows: Sequence[Sequence[Any]], *, empty: str) -> None:
        """Write rows below the names of their columns; where they do not fit side by side, below each other.

        No value is cut: what stands in a table is there to be copied. Columns without any value are left out.
        """
        if self.as_json:
            return
        if not rows:
            self.note(empty)
            return
        texts = [[line(value) for value in row] for row in rows]
        kept = [place for place in range(len(names)) if any(row[place] for row in texts)]
        names, texts = [names[place] for place in kept], [[row[place] for place in kept] for row in texts]
        widths = [max(map(_width, column)) for column in zip(names, *texts, strict=True)]
        if self.console.is_terminal and sum(widths) + GAP * (len(widths) - 1) > self.console.width:
            self._cards(names, texts)
        else:
            self._columns(names, texts, widths)

    def _columns(self, names: Sequence[str], texts: list[list[str]], widths: list[int]) -> None:
        from rich.text import Text

        gap = " " * GAP
        header = gap.join(_padded(name, width) for name, width in zip(names, widths, strict=True))
        self.console.print(Text(header.rstrip(), "bold"), soft_wrap=True)
        for row in texts:
            written = Text(gap).join(
                Text(_padded(text, width), _style(text)) for text, width in zip(row, widths, strict=True)
            )
            written.rstrip()
            self.console.print(written, soft_wrap=True)

    def _cards(self, names: Sequence[str], texts: list[list[str]]) -> None:
        for number, row in enumerate(texts):
            if number:
                self.console.print()
            self.facts(zip(names, row, strict=True))

    def error(self, error: CliError) -> None:
        """Write what went wrong, and what can be done about it."""
        if self.as_json:
            self.document(error.document())
            return
        self.note(f"Error: {error.message}", "bold red")
        if error.hint:
            self.note(error.hint, "")


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def _style(text: str) -> str:
    return STYLES.get(text, "")


def _width(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
