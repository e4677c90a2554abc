"""What the templates of an intent's page are given; the live stream gives the same partials the same."""

from __future__ import annotations

import shlex
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from agents import documents
from agents.errors import ApiError
from agents.pages.server import server_address
from agents.pages.shell import PageRequest
from intents import dossier
from intents.dossier import Dossier, Saved
from intents.pages import actions, timeline
from intents.records import Row

#: A payload that is larger does not become part of a command to be copied.
LARGEST_IN_COMMAND: Final = 16 * 1024
#: kind of relation -> what people call it
RELATIONS: Final[dict[str, str]] = {
    "parent": "Parent",
    "retry_of": "Retries",
    "retry": "Retried as",
    "child": "Children",
    "sibling": "Same correlation id",
}


@dataclass(frozen=True, slots=True)
class CheckpointView:
    """A checkpoint, with its value if that is JSON and short."""

    step: str
    position: int
    attempt: int
    at: datetime
    size: int
    content_type: str
    has_value: bool
    value: Any


@dataclass(frozen=True, slots=True)
class Relation:
    """Intents of one kind around an intent."""

    title: str
    rows: list[Row]
    #: there may be more than these
    is_cut: bool


def intent_context(found: Dossier, request: PageRequest, *, around: int | None) -> dict[str, Any]:
    """All that `intents/intent.html` is made of."""
    window = timeline.window(found, around)
    happenings = dossier.now(dossier.passages(found.intent_id, window.runs))
    return {
        **standing_context(found),
        "rows": list(timeline.rows(found, happenings, window.hidden)),
        "checkpoints": checkpoint_views(dossier.now(dossier.checkpoints(found.intent_id))),
        "relations": relations_of(dossier.now(dossier.relations(found.intent_id))),
        "payload": document(found.row["payload"]),
        "payload_text": indented(found.row["payload"]),
        "curls": _curls(found, request),
        "live_url": request.place.url("live:intent", intent_id=found.intent_id),
    }


def standing_context(found: Dossier) -> dict[str, Any]:
    """What changes with every event: the sentence, the strip, the facts, the outcome, what can be done."""
    offered = actions.of(found)
    return {
        "found": found,
        "intent_id": found.intent_id,
        "row": found.row,
        "sentence": found.sentence,
        "pieces": found.sentence.pieces(found.row["read_at"]),
        "strip": timeline.strip(found),
        "result": document(found.row["result"]),
        "result_text": indented(found.row["result"]),
        "error": document(found.row["error"]),
        "error_text": indented(found.row["error"]),
        "actions": offered,
        "actions_version": actions.version(offered),
    }


@dataclass(frozen=True, slots=True)
class Document:
    """JSON that is there, whatever it is: also null and false are something."""

    value: Any


def document(text: str | None) -> Document | None:
    return Document(orjson.loads(text)) if text not in (None, "null") else None


def indented(text: str | None) -> str:
    """JSON as somebody would want to edit it; empty if there is none."""
    if text in (None, "null"):
        return ""
    return orjson.dumps(orjson.loads(text), option=orjson.OPT_INDENT_2).decode()


def checkpoint_views(saved: list[Saved]) -> list[CheckpointView]:
    """The checkpoints, the values of those that are JSON taken apart."""
    return [_checkpoint(each) for each in saved]


def _checkpoint(saved: Saved) -> CheckpointView:
    value, has_value = None, False
    kind = saved.content_type.partition(";")[0].strip().lower()
    if saved.value is not None and (kind == "application/json" or kind.endswith("+json")):
        with suppress(ApiError):  # called JSON, and is none, or none that anybody could look at
            value, has_value = documents.parse(saved.value), True
    return CheckpointView(
        saved.step,
        saved.position,
        saved.attempt,
        saved.at,
        saved.size,
        saved.content_type,
        has_value,
        value,
    )


def relations_of(found: dict[str, list[Row]]) -> list[Relation]:
    """The relatives by kind, in the order in which they are shown."""
    return [
        Relation(title, found[kind], len(found[kind]) >= dossier.MOST_RELATIVES)
        for kind, title in RELATIONS.items()
        if kind in found
    ]


def _curls(found: Dossier, request: PageRequest) -> list[tuple[str, str, str]]:
    """Commands to be copied: id, title, command. The key comes from the environment, as in dev.env."""
    base = server_address(request)
    key = '-H "x-api-key: $AXME_API_KEY"'
    path = f"{base}/v1/intents"
    curls = [
        ("curl-read", "Read it", f"curl -s {key} {shlex.quote(f'{path}/{found.intent_id}')}"),
        (
            "curl-watch",
            "Watch it",
            f"curl -sN {key} {shlex.quote(f'{path}/{found.intent_id}/events/stream')}",
        ),
    ]
    payload = found.row["payload"]
    if payload is not None and len(payload) <= LARGEST_IN_COMMAND:
        body = orjson.dumps(
            {
                "intent_type": found.row["intent_type"],
                "to_agent": found.row["to_agent"],
                "correlation_id": str(found.row["correlation_id"]),
                "payload": orjson.Fragment(payload),
            }
        ).decode()
        command = (
            f"curl -s {key} -H 'content-type: application/json' -d {shlex.quote(body)} {shlex.quote(path)}"
        )
        curls.append(("curl-submit", "Submit the same again", command))
    return curls
