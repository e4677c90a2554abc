"""The timeline as a flat list of rows, which the page draws at first and the live stream adds to: the same partials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC

from intents import chapters, story
from intents.chapters import Chapter, Fate, Window
from intents.dossier import Dossier, Happening
from intents.pages import events

#: Of a long history the page shows so many of the first events, and so many of the last.
HEAD, TAIL = 50, 100
#: How many more are shown at a time.
MORE = 200

#: what became of an attempt: the words for it, and the kind of status that has its colour and shape
FATES: dict[Fate, tuple[str, str]] = {
    Fate.RUNNING: ("running", "active"),
    Fate.COMPLETED: ("completed", "good"),
    Fate.FAILED: ("failed", "bad"),
    Fate.CANCELED: ("canceled", "gone"),
    Fate.TIMED_OUT: ("timed out", "late"),
    Fate.LOST: ("connection lost", "bad"),
    Fate.RELEASED: ("given back", "idle"),
    Fate.RETURNED: ("handed back, does not count", "idle"),
    Fate.TAKEN: ("taken back", "idle"),
    Fate.WAITING: ("set aside", "waiting"),
}


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chapter begins."""

    chapter: Chapter
    max_attempts: int
    agent: str
    #: there is no other chapter
    is_only: bool

    template = "intents/_attempt.html"

    @property
    def title(self) -> str:
        if not self.chapter.attempt:
            return "So far" if self.is_only else "Before the first attempt"
        return f"Attempt {self.chapter.attempt} of {self.max_attempts}"

    @property
    def fate(self) -> str:
        return FATES[self.chapter.fate][0] if self.chapter.fate else ""

    @property
    def kind(self) -> str:
        return FATES[self.chapter.fate][1] if self.chapter.fate else "idle"

    @property
    def lasted(self) -> str:
        return story.lasting(self.chapter.lasted) if self.chapter.lasted is not None else ""


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event."""

    event: events.EventView
    is_first_of_day: bool

    template = "intents/_event.html"


@dataclass(frozen=True, slots=True)
class Loss:
    """The end of an attempt of which no event tells."""

    chapter: Chapter
    silence: str

    template = "intents/_loss.html"


@dataclass(frozen=True, slots=True)
class More:
    """Events that are left out for now."""

    first: int
    last: int

    template = "intents/_more.html"

    @property
    def number(self) -> int:
        return self.last - self.first + 1

    @property
    def up_to(self) -> int:
        """The last of those that are shown next."""
        return min(self.last, self.first + MORE - 1)

    @property
    def back_from(self) -> int:
        """The first of those that are shown next, if they are shown from the end."""
        return max(self.first, self.last - MORE + 1)


TimelineRow = Head | EventRow | Loss | More


def rows(
    dossier: Dossier, happenings: Sequence[Happening], hidden: Sequence[tuple[int, int]] = ()
) -> Iterator[TimelineRow]:
    """The rows of these events, with the heads of the chapters that begin among them, and what is `hidden` between."""
    beginnings = {chapter.first: chapter for chapter in dossier.chapters}
    left_out = {first - 1: More(first, last) for first, last in hidden}
    maximum = dossier.row["max_delivery_attempts"]
    day = _day_before(happenings)
    for happening in happenings:
        if (chapter := beginnings.get(happening.seq)) is not None:
            if (loss := _loss_before(dossier, chapter)) is not None:
                yield loss
            yield Head(chapter, maximum, dossier.standing.agent, len(dossier.chapters) == 1)
        view = events.view(happening, maximum)
        yield EventRow(view, is_first_of_day=view.day != day)
        day = view.day
        if (more := left_out.get(happening.seq)) is not None:
            yield more


def _day_before(happenings: Sequence[Happening]) -> str:
    """The day of the event before these; none if they begin with the first."""
    if not happenings or happenings[0].gap is None:
        return ""
    return f"{(happenings[0].at - happenings[0].gap).astimezone(UTC):%Y-%m-%d}"


def _loss_before(dossier: Dossier, chapter: Chapter) -> Loss | None:
    """What became of the attempt before this one, if no event tells."""
    before = dossier.chapters[chapter.index - 1] if chapter.index else None
    if before is None or before.fate is not Fate.LOST or before.lasted is None:
        return None
    return Loss(before, story.lasting(before.lasted))


def heads(dossier: Dossier, since: int) -> list[Head]:
    """The heads of the chapters that may look different after event `since`: the newest, and the one before."""
    maximum = dossier.row["max_delivery_attempts"]
    return [
        Head(chapter, maximum, dossier.standing.agent, len(dossier.chapters) == 1)
        for chapter in dossier.chapters[-2:]
        if chapter.first <= since
    ]


def window(dossier: Dossier, around: int | None = None) -> Window:
    """What of the history is shown at first."""
    return chapters.window(dossier.seq, head=HEAD, tail=TAIL, around=around)


@dataclass(frozen=True, slots=True)
class Strip:
    """A whole life on one line, true to scale, as a drawing of 1000 by 20."""

    spans: list[chapters.Span]
    lasts: str
    description: str


def strip(dossier: Dossier) -> Strip:
    """The attempts along the life."""
    until = dossier.row["ended_at"] or dossier.row["read_at"]
    spans = chapters.spans(dossier.chapters, began_at=dossier.row["created_at"], until=until)
    lasts = story.lasting(dossier.lasts.total_seconds())
    told = [
        f"attempt {span.chapter.attempt} {FATES[span.chapter.fate][0]}"
        for span in spans
        if span.chapter is not None and span.chapter.fate is not None
    ]
    return Strip(spans, lasts, f"{lasts} in all" + (f": {', '.join(told)}" if told else ", no attempt"))
