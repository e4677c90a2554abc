"""What happens when a timer's time has come: deadlines, reminders, the end of a wait, the steps of a workflow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from orjson import loads

from intents import notes, operations, workflow
from intents.lifecycle import OPEN, EventType
from intents.models.timer import TimerKind
from intents.notes import Alarm, Note
from intents.operations import Steps
from intents.records import Ending, Hold, Row, Wake
from intents.signals import Changes

#: Reminders of an intent that sets no number.
MAX_REMINDERS = 3
#: The step timers of a workflow stand at its parent intent.
_OF_WORKFLOWS = frozenset({TimerKind.WAKE, TimerKind.STEP_DEADLINE, TimerKind.STEP_RETRY})


def fire(changes: Changes, limit: int, only: Sequence[int] | None = None) -> Steps[int]:
    """Do what is due, with all that follows from it, and say how many timers those were."""
    rows = yield "due_timers", {"limit": limit, "only": only}
    due: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["status"] in OPEN:
            row["data"], row["attributes"] = loads(row["data"]), loads(row["attributes"])
            due[_group(row)].append(row)
    overdue = {row["intent_id"] for row in due["deadline"]}
    if overdue:
        yield from operations.finish([_timed_out(row) for row in due["deadline"]], changes)
    yield from _remind([row for row in due["reminder"] if row["intent_id"] not in overdue], changes)
    if woken := [row for row in due["wake"] if row["intent_id"] not in overdue]:
        yield from operations.wake([Wake(_hold(row), is_owed=True) for row in woken], changes)
    if due["workflow"]:
        yield from workflow.timers_due(due["workflow"], changes)
    return len(rows)


def _group(row: Row) -> str:
    is_parent = row["scenario_id"] is not None and row["parent_id"] is None
    return "workflow" if is_parent and row["kind"] in _OF_WORKFLOWS else str(row["kind"])


def _hold(row: Row) -> Hold:
    return Hold(row["intent_id"], row["organization_id"])


def _timed_out(row: Row) -> Ending:
    is_step = row["scenario_id"] is not None and row["parent_id"] is not None
    error = {
        "code": "step_timeout" if is_step else "intent_timeout",
        "message": "The deadline passed before there was a result.",
        "category": "timeout",
        "retryable": True,
        "at": row["at"].isoformat().replace("+00:00", "Z"),
    }
    return Ending(_hold(row), EventType.TIMED_OUT, {"error": error})


def _remind(rows: Sequence[Row], changes: Changes) -> Steps[None]:
    """Remind of intents, again at their interval; once the reminders are used up, escalate instead."""
    noted: list[Note] = []
    alarms: list[Alarm] = []
    for row in rows:
        wish = row["attributes"]
        count = int(row["data"].get("remind_count", 0)) + 1
        maximum = _whole(wish.get("max_reminders")) or MAX_REMINDERS
        if count > maximum:
            # There may be nobody to escalate to: the maximum may have been lowered after the timer was set.
            if escalate_to := wish.get("escalate_to"):
                noted.append(Note(row["intent_id"], EventType.ESCALATED, {"escalated_to": escalate_to}))
            continue
        noted.append(Note(row["intent_id"], EventType.REMINDER, {"remind_count": count}))
        if count < maximum or wish.get("escalate_to"):
            interval = row["data"].get("interval") or _interval(row)
            late = (row["at"] - row["due_at"]).total_seconds()
            # Keeps its beat, unless so much was missed that the next is overdue as well: no salvos.
            seconds = interval - late if late < interval else interval
            data = {"remind_count": count, "interval": interval}
            alarms.append(Alarm(row["intent_id"], TimerKind.REMINDER, seconds, data))
    yield from notes.note(noted, changes)
    yield from notes.set_timers(alarms)


def _interval(row: Row) -> float:
    """The seconds between reminders: as asked, else as long as the first one took."""
    asked = _whole(row["attributes"].get("remind_interval_seconds"))
    return float(asked or max(1.0, (row["due_at"] - row["created_at"]).total_seconds()))


def _whole(value: Any) -> int | None:
    """A number that somebody else put into the attributes, if it is one."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
