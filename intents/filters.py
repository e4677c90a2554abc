"""What people look for in the list, as an address says it: all of a view is in its query string, so it can be shared.

`?status=FAILED&agent=…&type=…&error=…&retried=no&correlation=…&within=1h&from=…&to=…&q=…`. A canonical query names each
filter once, in this order; `Filters.read(filters.query())` gives the same filters again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

from django.http import QueryDict

from agents.errors import Invalid
from intents.lifecycle import Status

#: What `within` can say.
SPANS = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
}
#: What `error` says for those that ended without a code.
NO_ERROR = "none"
LONGEST = 383
MOST_TERMS = 8
#: What is asked of the payload, what is quoted, what is a word.
_TERM = re.compile(r'payload\.(?P<path>[^\s:"]+):(?P<value>"[^"]*"|\S*)|"(?P<quoted>[^"]*)"|(?P<word>\S+)')
#: The beginning of an id, long enough to be meant as one.
_PREFIX = re.compile(r"[0-9a-f]{8}-[0-9a-f]{1,4}(?:-[0-9a-f]{0,12})*")


@dataclass(frozen=True, slots=True)
class Text:
    """What free text asks for: all of it has to be there."""

    #: an intent's own id, or its correlation id
    ids: tuple[UUID, ...] = ()
    #: how its id begins
    prefixes: tuple[str, ...] = ()
    #: somewhere in its id, its type or one of its addresses, in lower case
    words: tuple[str, ...] = ()
    #: where in the payload, and which value there
    payload: tuple[tuple[tuple[str, ...], str], ...] = ()

    @classmethod
    def of(cls, text: str) -> Text:
        """Take the text apart."""
        ids: list[UUID] = []
        prefixes: list[str] = []
        words: list[str] = []
        payload: list[tuple[tuple[str, ...], str]] = []
        for term in _TERM.finditer(text):
            if (path := term["path"]) is not None:
                payload.append((tuple(path.split(".")), term["value"].strip('"')))
                continue
            word = (term["word"] or term["quoted"] or "").lower()
            if (found := _uuid(word)) is not None:
                ids.append(found)
            elif _PREFIX.fullmatch(word):
                prefixes.append(word.rstrip("-"))
            elif word:
                words.append(word)
        return cls(tuple(ids), tuple(prefixes), tuple(words), tuple(payload))

    @property
    def is_indexed(self) -> bool:
        """Whether it is found without reading other intents."""
        return not self.words and not self.payload


@dataclass(frozen=True, slots=True)
class Filters:
    """Which intents of a workspace are wanted. Nothing set: all."""

    statuses: frozenset[Status] = frozenset()
    #: an address, a name or an account's id
    agent: str = ""
    intent_type: str = ""
    #: the code of the error that ended it, or what it waits for
    error: str = ""
    #: whether it has been submitted once more: `yes` or `no`
    retried: str = ""
    correlation_id: UUID | None = None
    #: the last hour, the last day: a span of `SPANS` that moves with the clock
    within: str = ""
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""

    @classmethod
    def of(cls, query: str | QueryDict) -> Filters:
        """The filters that a query string says, other parameters aside.

        Raises:
            Invalid: one of them has a value that it cannot have. To leave it out would widen what is meant.
        """
        filters, wrong = cls.read(query)
        if wrong:
            raise Invalid("; ".join(wrong.values()), details={"fields": sorted(wrong)})
        return filters

    @classmethod
    def read(cls, query: str | QueryDict) -> tuple[Filters, dict[str, str]]:
        """The filters that a query string says and, for each that says nothing sensible, what is wrong with it."""
        reader = _Reader(QueryDict(query) if isinstance(query, str) else query)
        return (
            cls(
                statuses=reader.statuses(),
                agent=reader.text("agent"),
                intent_type=reader.text("type"),
                error=reader.text("error"),
                retried=reader.choice("retried", ("yes", "no")),
                correlation_id=reader.uuid("correlation"),
                within=reader.choice("within", SPANS),
                since=reader.time("from"),
                until=reader.time("to"),
                text=reader.free_text(),
            ),
            reader.wrong,
        )

    def query(self) -> str:
        """The canonical query string."""
        return urlencode(list(self._parameters()))

    def _parameters(self) -> Iterator[tuple[str, str]]:
        for status in Status:
            if status in self.statuses:
                yield "status", status
        named = (
            ("agent", self.agent),
            ("type", self.intent_type),
            ("error", self.error),
            ("retried", self.retried),
            ("correlation", str(self.correlation_id or "")),
            ("within", self.within),
            ("from", _written(self.since)),
            ("to", _written(self.until)),
            ("q", self.text),
        )
        yield from ((name, value) for name, value in named if value)

    def __bool__(self) -> bool:
        return self != Filters()

    def without(self, name: str) -> Filters:
        """The same but for one filter, by its name in the query."""
        field_name, nothing = _FIELDS[name]
        return replace(self, **cast(Any, {field_name: nothing}))


_FIELDS: dict[str, tuple[str, object]] = {
    "status": ("statuses", frozenset()),
    "agent": ("agent", ""),
    "type": ("intent_type", ""),
    "error": ("error", ""),
    "retried": ("retried", ""),
    "correlation": ("correlation_id", None),
    "within": ("within", ""),
    "from": ("since", None),
    "to": ("until", None),
    "q": ("text", ""),
}


@dataclass(slots=True)
class _Reader:
    query: QueryDict
    wrong: dict[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        text = self.query.get(name, "").strip()
        if len(text) > LONGEST or not text.isprintable():
            self.wrong[name] = f"{name}: at most {LONGEST} printable characters"
            return ""
        return text

    def free_text(self) -> str:
        text = " ".join(self.text("q").split())
        if sum(1 for _ in _TERM.finditer(text)) > MOST_TERMS:
            self.wrong["q"] = f"search: at most {MOST_TERMS} words"
            return ""
        return text

    def statuses(self) -> frozenset[Status]:
        found = set()
        for text in self.query.getlist("status"):
            if text.upper() in Status.__members__:
                found.add(Status(text.upper()))
            elif text:
                self.wrong["status"] = f"status: there is no {text[:40]!r}"
        return frozenset(found)

    def uuid(self, name: str) -> UUID | None:
        text = self.text(name)
        found = _uuid(text)
        if text and found is None:
            self.wrong[name] = f"{name}: {text[:40]!r} is not a UUID"
        return found

    def choice(self, name: str, choices: Collection[str]) -> str:
        text = self.text(name)
        if text and text not in choices:
            self.wrong[name] = f"{name}: one of {', '.join(choices)}"
            return ""
        return text

    def time(self, name: str) -> datetime | None:
        text = self.text(name)
        if not text:
            return None
        try:
            found = datetime.fromisoformat(text)
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.wrong[name] = f"{name}: {text[:40]!r} is not a date and time"
            return None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text) if len(text) == 36 else None
    except ValueError:
        return None


def _written(at: datetime | None) -> str:
    """As a browser's field for date and time writes it, in UTC."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="auto") if at is not None else ""
