"""An intent's life in a terminal, as it happens: each event a line that stays, and below them how things stand now.

The steps of a scenario are intents of their own; what happens to them is shown among the events of the whole.
"""

from __future__ import annotations

import queue
import threading
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from perdure.cli import events
from perdure.cli.exits import CliError, Exit
from perdure.cli.output import STYLES, Output
from perdure.cli.text import duration, line, shortened

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

    from perdure import Client

Document = dict[str, Any]

COMPLETED = "COMPLETED"
#: statuses that never change
ENDED = frozenset({COMPLETED, "FAILED", "CANCELED", "TIMED_OUT"})
NAME_WIDTH = 15
#: How long the last events of steps may take to come after the end of the whole.
STRAGGLERS_SECONDS = 2.0
#: Python notices Ctrl-C between such waits.
LOOK_SECONDS = 0.5


class Timeline:
    """Writes events as they come, and keeps a line about the present where somebody looks."""

    def __init__(self, out: Output, client: Client, intent_id: str) -> None:
        self.out = out
        self.client = client
        self.intent_id = intent_id
        #: all that was shown, by intent
        self.seen: dict[str, list[Document]] = {}
        self._news: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._open: set[str] = set()
        self._started = time.monotonic()
        self._standing = ""

    def follow(self, *, timeout: float | None = None) -> Document:
        """Show all that happens until the intent has ended; return it as it ended.

        Raises:
            CliError: it had not ended after `timeout` seconds.
        """
        end = None if timeout is None else self._started + timeout
        with self._live() or nullcontext() as live:
            self._watch(self.intent_id)
            while self._open and not self._is_late(end):
                try:
                    intent_id, news = self._news.get(timeout=LOOK_SECONDS)
                except queue.Empty:
                    continue
                if isinstance(news, Exception):
                    raise news
                if news is None:
                    self._open.discard(intent_id)
                    continue
                self._show(intent_id, news)
                if intent_id == self.intent_id and news.is_terminal:
                    end = min(end or float("inf"), time.monotonic() + STRAGGLERS_SECONDS)
                if live is not None:
                    self._look()
        intent = dict(self.client.get(self.intent_id))
        if intent.get("status") in ENDED:
            return intent
        raise CliError(
            f"intent {self.intent_id} had not ended after {duration(timeout or 0)}; it goes on",
            Exit.TIMED_OUT,
            details={"intent_id": self.intent_id, "status": intent.get("status")},
        )

    def _is_late(self, end: float | None) -> bool:
        return end is not None and time.monotonic() > end

    def _watch(self, intent_id: str) -> None:
        self._open.add(intent_id)
        self.seen[intent_id] = []
        threading.Thread(target=self._listen, args=(intent_id,), daemon=True).start()

    def _listen(self, intent_id: str) -> None:
        """Pass on what happens to one intent; None when it has ended, or the error that stands between."""
        try:
            for event in self.client.events(intent_id):
                self._news.put((intent_id, event))
        except Exception as error:  # noqa: BLE001  it is raised where somebody can be told
            # Of a step it is enough to know what the whole tells of it.
            self._news.put((intent_id, error if intent_id == self.intent_id else None))
        else:
            self._news.put((intent_id, None))

    def _show(self, intent_id: str, event: Any) -> None:
        self.seen[intent_id].append(dict(event))
        write(self.out, event, is_step=intent_id != self.intent_id)
        child = event.details.get("child_intent_id")
        if isinstance(child, str) and child not in self.seen:
            self._watch(child)

    def _live(self) -> Live | None:
        if not self.out.is_live:
            return None
        from rich.live import Live

        return Live(
            console=self.out.console, get_renderable=self._present, refresh_per_second=4, transient=True
        )

    def _look(self) -> None:
        """Find out why what is shown last is not running, or who has it."""
        latest = [each for each in self.seen if each in self._open][-1:] or [self.intent_id]
        intent = self.client.get(latest[0])
        self._standing = line(intent.get("blocking_reason") or intent.get("status"))

    def _present(self) -> Text:
        from rich.text import Text

        waited = duration(time.monotonic() - self._started)
        text = shortened(f"{self._standing or 'Connecting'} ({waited})", self.out.console.width - 1)
        return Text(text, "dim", no_wrap=True)


def write(out: Output, event: Any, *, is_step: bool = False) -> None:
    """Write one event as a line; those of a scenario's step are indented."""
    if out.as_json:
        return
    from rich.text import Text

    name = events.name(event)
    written = Text.assemble(
        (f"{events.clock(event)}  ", "dim"),
        "  " if is_step else "",
        (name.ljust(NAME_WIDTH), STYLES.get(name.upper(), "")),
        f"  {events.remark(event)}",
    )
    written.rstrip()
    out.console.print(written, soft_wrap=True)


def verdict(out: Output, intent: Document) -> Exit:
    """Say how it ended, and with which exit code that ends the command."""
    status = str(intent.get("status"))
    out.facts({"lifecycle_status": status, "reason": intent.get("reason")})
    out.block("result", intent.get("result"))
    out.block("error", intent.get("error"))
    return Exit.OK if status == COMPLETED else Exit.FAILED
