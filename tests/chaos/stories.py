"""Small invented runs, told in a few lines: one in which every promise is kept, and what it takes to break each."""

from __future__ import annotations

import copy
from typing import Any

from tests.chaos.checker.evidence import Evidence, Row
from tests.chaos.history import Entry

#: The intents of the good story, all of the tenant acorn.
DONE, REDONE, RETRIED, CANCELED = "i-done", "i-redone", "i-retried", "i-canceled"
LATE = "i-late"


class Story:
    """History and rows, to be told and to be spoiled."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.rows: list[Row] = []
        self._number = 0

    # -- what clients noted -------------------------------------------------------------------------------------

    def note(self, kind: str, at: float, **facts: Any) -> Entry:
        entry = {"kind": kind, "at": at, "who": facts.pop("who", "client"), **facts}
        self.entries.append(entry)
        return entry

    def request(
        self, do: str, at: float, outcome: str = "ok", answer: Entry | None = None, **facts: Any
    ) -> None:
        """A request that took a tenth of a second; `answer` is what was answered."""
        self._number += 1
        number = f"op-{self._number}"
        self.note("invoke", at, op=number, do=do, **facts)
        self.note(outcome, at + 0.1, op=number, do=do, **(answer or {}))

    # -- what is stored -------------------------------------------------------------------------------------------

    def intent(self, intent_id: str, history: str, **facts: Any) -> Row:
        """An intent with its events, told as `submitted@1 delivered@2:1`: what, when, which attempt."""
        events = [self._event(intent_id, seq, word) for seq, word in enumerate(history.split(), 1)]
        row = {
            "table": "intent",
            "id": intent_id,
            "tenant": "acorn",
            "status": events[-1]["status"],
            "seq": len(events),
            "attempt": max([int(event["details"].get("delivery_attempt", 0)) for event in events]),
            "maximum": 3,
            "marker": f"canary-acorn-{intent_id}",
            "poison": None,
            "retry_of": None,
            "deadline": None,
            **facts,
        }
        self.rows += [row, *events]
        return row

    def _event(self, intent_id: str, seq: int, word: str) -> Row:
        name, _, rest = word.partition("@")
        at, _, more = rest.partition(":")
        details: dict[str, Any] = {}
        if more.isdigit():
            details["delivery_attempt"] = int(more)
        elif more == "returned":
            details["returned"] = True
        elif more.startswith("step"):
            details["checkpoint"] = {"step": more}
        elif more:
            run, attempt = more.split("/")
            details["result"] = {
                "run": run,
                "attempt": int(attempt),
                "marker": f"canary-acorn-{intent_id}",
            }
        status = {"delivery_failed": "FAILED"}.get(name, name.upper())
        return {
            "table": "event",
            "intent": intent_id,
            "seq": seq,
            "type": f"intent.{name}",
            "status": status,
            "details": details,
            "at": float(at),
        }

    def step(self, intent_id: str, step: str, at: float, run: str, attempt: int, **facts: Any) -> Row:
        value = {"run": run, "attempt": attempt, "step": step}
        row = {
            "table": "checkpoint",
            "intent": intent_id,
            "step": step,
            "attempt": attempt,
            "value": value,
            "at": at,
            **facts,
        }
        self.rows.append(row)
        return row

    # -- finding again ----------------------------------------------------------------------------------------------

    def row(self, table: str, **facts: Any) -> Row:
        """The only row like this."""
        [found] = [row for row in self.rows if row["table"] == table and _is_like(row, facts)]
        return found

    def entry(self, kind: str, **facts: Any) -> Entry:
        """The first entry like this."""
        return next(entry for entry in self.entries if entry["kind"] == kind and _is_like(entry, facts))

    def evidence(self) -> Evidence:
        entries = sorted(copy.deepcopy(self.entries), key=lambda entry: entry["at"])
        return Evidence.of(entries, copy.deepcopy(self.rows))


def _is_like(found: dict[str, Any], facts: dict[str, Any]) -> bool:
    return all(found.get(name) == value for name, value in facts.items())


def good() -> Story:
    """Five intents of a run in which all went as promised, though an agent died."""
    story = Story()
    for when, at in (("before", 0.0), ("after", 90.0)):
        story.note(
            "resources",
            at,
            when=when,
            part="web-0",
            rss=10**8,
            descriptors=30,
            threads=8,
            database_connections=6,
        )
    story.note("fault", 7.0, fault="kill an agent", landed=True, what="", **{"from": 4.0, "until": 6.0})
    _submit(story, DONE, 1.0)
    story.request("submit", 1.5, answer={"intent": DONE}, marker=f"canary-acorn-{DONE}", key=f"key-{DONE}")
    story.intent(DONE, "created@1 submitted@1 delivered@2:1 in_progress@2.1 completed@3:r1/1")
    story.note("run", 2.05, intent=DONE, run="r1", attempt=1, seq=1, agent="axme", who="axme-0")

    _submit(story, REDONE, 3.0)
    story.intent(
        REDONE,
        "created@3 submitted@3 delivered@3.2:1 submitted@3.4:returned delivered@3.6:1 in_progress@4.1:step-0"
        " in_progress@5:2 completed@6:r4/2",
    )
    story.note("run", 3.3, intent=REDONE, run="r2", attempt=1, seq=2, agent="socket", who="socket-b")
    story.note("run", 3.7, intent=REDONE, run="r3", attempt=1, seq=3, agent="socket", who="socket-a")
    story.note("step", 3.8, intent=REDONE, run="r3", step="step-0", attempt=1, who="socket-a")
    story.step(REDONE, "step-0", 4.1, "r3", 1)
    story.note("run", 5.1, intent=REDONE, run="r4", attempt=2, seq=4, agent="socket", who="socket-b")

    story.request("retry", 8.0, answer={"intent": RETRIED}, intent_before=DONE, key="retry-1", inherits=True)
    story.intent(
        RETRIED,
        "created@8 submitted@8 delivered@8.2:1 delivery_failed@9:1 failed@9",
        retry_of=DONE,
        marker=f"canary-acorn-{DONE}",
        maximum=1,
    )
    _submit(story, CANCELED, 10.0)
    story.intent(CANCELED, "created@10 submitted@10 canceled@11")
    story.request("cancel", 11.0, intent=CANCELED)
    _submit(story, LATE, 10.0)
    story.intent(LATE, "created@10 submitted@10 timed_out@12.1", deadline=12.0)
    story.request("kill", 10.2, agent="doomed")
    story.request("complete", 10.4, "failed", {"status": 403}, intent=CANCELED, agent="doomed")
    story.request("resume", 10.6, agent="doomed")
    story.request("complete", 11.0, "failed", {"status": 409}, intent=CANCELED, agent="doomed")
    story.request("submit", 12.0, "failed", {"status": 422}, marker="canary-acorn-bad", key=None)

    story.request("read", 12.0, intent=DONE, answer={"status": "COMPLETED"})
    story.request("spy", 12.0, "failed", {"status": 404}, intent=DONE, who="load-1")
    story.note("seen", 12.0, tenants=["acorn"], tenant="acorn")
    events = [
        [seq, f"intent.{name}"] for seq, name in ((3, "delivered"), (4, "in_progress"), (5, "completed"))
    ]
    story.note("watched", 13.0, how="stream", intent=DONE, after=2, events=events)
    story.note("watched", 13.0, how="websocket", intent=DONE, status="COMPLETED", seq=5)
    last = {"who": "observer-acorn", "intent": DONE}
    story.note("watched", 16.0, how="stream", after=2, events=list(events), **last)
    story.note("watched", 16.0, how="events", after=2, events=list(events), status="COMPLETED", **last)
    story.note("watched", 16.0, how="websocket", status="COMPLETED", seq=5, **last)
    story.note("watched", 16.0, how="wait_for", status="COMPLETED", seq=5, **last)
    story.request("list", 14.0, answer={"intents": [DONE, LATE]}, tenant="acorn")
    listed = {
        LATE: "TIMED_OUT",
        DONE: "COMPLETED",
        REDONE: "COMPLETED",
        RETRIED: "FAILED",
        CANCELED: "CANCELED",
    }
    story.note("listed", 14.0, tenant="acorn", intents=listed)
    story.note("load", 0.5, who="load-0")
    story.note("stopped", 17.0, who="load-0")
    story.note("load ended", 18.0, part="load-0", code=0)
    story.note("died", 5.0, part="poisoned-0", code=-9)
    story.note("probe", 15.0, intent=DONE, seconds=0.9, limit=5.0, during="all rings were dropped")
    return story


def _submit(story: Story, intent_id: str, at: float) -> None:
    marker = f"canary-acorn-{intent_id}"
    story.request("submit", at, "unknown", marker=marker, key=f"key-{intent_id}")
    story.request("submit", at + 0.2, answer={"intent": intent_id}, marker=marker, key=f"key-{intent_id}")
