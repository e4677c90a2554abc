"""Intents: list them, look at one, watch it, and steer it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from perdure.cli import submitting, timeline
from perdure.cli.commanding import command
from perdure.cli.exits import Exit, UsageProblem
from perdure.cli.session import Document, Session
from perdure.cli.text import ago, line, size

app = typer.Typer(help="Requests to agents that outlive crashes.", no_args_is_help=True)

STATUSES = (
    "pending",
    "submitted",
    "delivered",
    "acknowledged",
    "in_progress",
    "waiting",
    "completed",
    "failed",
    "canceled",
    "timed_out",
)

IntentId = Annotated[str, typer.Argument(metavar="INTENT_ID", help="The intent's id.")]
Timeout = Annotated[
    float | None,
    typer.Option(
        min=0.1, metavar="SECONDS", help=f"Give up after this long, with exit code {int(Exit.TIMED_OUT)}."
    ),
]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Then show its life until it has ended.")]


def _statuses(incomplete: str) -> list[str]:
    *before, last = incomplete.split(",")
    return [",".join([*before, status]) for status in STATUSES if status.startswith(last.lower())]


command(app, "submit")(submitting.submit)


@command(app, "list")
def list_intents(
    session: Session,
    status: Annotated[
        str | None,
        typer.Option(
            help="One or several statuses, with commas between them; `pending` is all that have not ended.",
            autocompletion=_statuses,
        ),
    ] = None,
    to: Annotated[str | None, typer.Option(metavar="AGENT", help="Only those to this agent.")] = None,
    intent_type: Annotated[str | None, typer.Option("--type", help="Only those of this type.")] = None,
    correlation_id: Annotated[
        str | None, typer.Option(metavar="UUID", help="Only those of this thread.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most.")] = 50,
    cursor: Annotated[
        str | None, typer.Option(help="Go on where the page before ended: its `next_cursor`.")
    ] = None,
) -> None:
    """List intents, newest first."""
    page = session.get(
        "/v1/intents",
        status=status,
        to_agent=to,
        intent_type=intent_type,
        correlation_id=correlation_id,
        limit=limit,
        cursor=cursor,
    )
    if session.out.as_json:
        session.out.document(page)
    rows = [
        (
            each["intent_id"],
            each["status"],
            each["intent_type"],
            _name(each["to_agent"]),
            ago(each["updated_at"]),
        )
        for each in page["intents"]
    ]
    session.out.table(("intent_id", "status", "intent_type", "agent", "updated"), rows, empty="No intents.")
    if page.get("next_cursor"):
        session.out.note(f"There are more: --cursor {page['next_cursor']}")


@command(app, "get")
def get(session: Session, intent_id: IntentId) -> None:
    """Show an intent: how it stands, why it is not running, and what came of it."""
    answer = session.get(path(intent_id))
    if session.out.as_json:
        session.out.document(answer)
        return
    intent: Document = answer["intent"]
    session.out.facts(_facts(intent))
    if checkpoints := intent.get("checkpoints"):
        session.out.block("checkpoints", "\n".join(map(_checkpoint, checkpoints)))
    for name in ("payload", "result", "error"):
        session.out.block(name, intent.get(name))


@command(app, "log")
def log(session: Session, intent_id: IntentId) -> None:
    """Show what has happened to an intent so far."""
    history = session.get(path(intent_id, "events"))
    if session.out.as_json:
        session.out.document(history)
    for event in history["events"]:
        timeline.write(session.out, event)


@command(app, "watch")
def watch(session: Session, intent_id: IntentId, timeout: Timeout = None) -> Exit:
    """Show what happens to an intent, until it has ended. Unless it is COMPLETED the exit code is 1.

    The steps of a scenario are shown with it. With --json, the one document comes at the end.
    """
    return follow(session, checked(intent_id), timeout=timeout)


def follow(
    session: Session, intent_id: str, *, timeout: float | None = None, more: Document | None = None
) -> Exit:
    """Show an intent's life to its end, and end as it ended."""
    life = timeline.Timeline(session.out, session.watching, intent_id)
    intent = life.follow(timeout=timeout)
    exit_code = timeline.verdict(session.out, intent)
    if session.out.as_json:
        ended = {"ok": exit_code is Exit.OK, "intent_id": intent_id, "status": intent["status"]}
        events = life.seen.pop(intent_id)
        session.out.document(
            {**(more or {}), **ended, "intent": intent, "events": events, "steps": life.seen}
        )
    return exit_code


@command(app, "retry")
def retry(
    session: Session,
    intent_id: IntentId,
    checkpoints: Annotated[
        bool, typer.Option(help="Take over the steps that are done, or begin anew.", show_default=True)
    ] = True,
    watch: Watch = False,
    timeout: Timeout = None,
) -> Exit:
    """Submit an intent that has ended once more, as a new one."""
    answer = session.post(path(intent_id, "retry"), {} if checkpoints else {"checkpoints": False})
    return submitting.submitted(session, answer, watch=watch, timeout=timeout)


@command(app, "redeliver")
def redeliver(session: Session, intent_id: IntentId) -> None:
    """Take an open intent from whoever has it, and deliver it again now."""
    answer = session.post(path(intent_id, "redeliver"))
    session.out.say(f"{intent_id} is due now.")
    if session.out.as_json:
        session.out.document(answer)


@command(app, "cancel")
def cancel(
    session: Session,
    intent_id: IntentId,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the intent.")] = "",
) -> None:
    """Withdraw an intent. Whoever works on it is told."""
    answer = session.post(path(intent_id, "resolve"), {"status": "CANCELED", "reason": reason})
    if session.out.as_json:
        session.out.document(answer)
    session.out.facts({"intent_id": intent_id, "lifecycle_status": answer["intent"]["status"]})


def checked(intent_id: str) -> str:
    """The id, if it is one.

    Raises:
        UsageProblem: it is not; a server would say so in more words.
    """
    import uuid

    try:
        return str(uuid.UUID(intent_id.strip()))
    except ValueError:
        raise UsageProblem(f"{line(intent_id)!r} is not the id of an intent, which is a UUID") from None


def path(intent_id: str, *rest: str) -> str:
    """The path of an intent, or of something below it."""
    return "/".join(["/v1/intents", checked(intent_id), *rest])


def _name(address: Any) -> str:
    return line(address).rpartition("/")[2]


def _checkpoint(checkpoint: Document) -> str:
    at = ago(checkpoint.get("at"))
    return f"{line(checkpoint.get('step'))}  {size(checkpoint.get('size'))}, attempt {checkpoint.get('attempt')}, {at}"


def _facts(intent: Document) -> Document:
    pending = intent.get("pending_with")
    attempt = intent.get("delivery_attempt")
    return {
        "intent_id": intent.get("intent_id"),
        "lifecycle_status": intent.get("lifecycle_status"),
        "blocking_reason": intent.get("blocking_reason"),
        "unblocks_when": intent.get("unblocks_when"),
        "reason": intent.get("reason"),
        "intent_type": intent.get("intent_type"),
        "from_agent": intent.get("from_agent"),
        "to_agent": intent.get("to_agent"),
        "pending_with": pending.get("name") if isinstance(pending, dict) else pending,
        "delivery_attempt": f"{attempt} of {intent.get('max_delivery_attempts')}" if attempt else None,
        "created_at": _time(intent.get("created_at")),
        "updated_at": _time(intent.get("updated_at")),
        "deadline_at": _time(intent.get("deadline_at")),
        "scenario_id": intent.get("scenario_id"),
        "step_id": intent.get("step_id"),
        "parent_intent_id": intent.get("parent_intent_id"),
        "retry_of": intent.get("retry_of"),
        "correlation_id": intent.get("correlation_id"),
    }


def _time(value: Any) -> str:
    return f"{value} ({ago(value)})" if value else ""
