"""Tasks for people: what waits for a decision, and the decision."""

from __future__ import annotations

from typing import Annotated

import typer

from perdure.cli.commanding import command
from perdure.cli.intents import IntentId, path
from perdure.cli.session import Document, Session
from perdure.cli.text import ago

app = typer.Typer(help="What waits for a person.", no_args_is_help=True)

ROUTE = "/v1/me/tasks"

Comment = Annotated[str, typer.Option("--comment", "-m", help="What to say about it.")]


@command(app, "list")
def list_tasks(session: Session) -> None:
    """List the intents that wait for a person."""
    from perdure import errors

    try:
        answer = session.get(ROUTE)
    except errors.NotFound:
        session.require("GET", ROUTE, "tasks for people")
        raise
    if session.out.as_json:
        session.out.document(answer)
    rows = [
        (
            task["intent_id"],
            (task.get("human_task") or {}).get("title"),
            (task.get("human_task") or {}).get("task_type"),
            task.get("intent_type"),
            ago(task.get("assigned_at")),
            ago(task.get("due_at")),
        )
        for task in answer["tasks"]
    ]
    names = ("intent_id", "title", "task_type", "intent_type", "assigned", "due")
    session.out.table(names, rows, empty="No tasks.")


@command(app, "approve")
def approve(session: Session, intent_id: IntentId, comment: Comment = "") -> None:
    """Approve what an intent waits for."""
    _decide(session, intent_id, "approved", comment)


@command(app, "reject")
def reject(session: Session, intent_id: IntentId, comment: Comment = "") -> None:
    """Reject what an intent waits for."""
    _decide(session, intent_id, "rejected", comment)


def _decide(session: Session, intent_id: str, outcome: str, comment: str) -> None:
    from perdure import errors

    result = {"outcome": outcome, **({"comment": comment} if comment else {})}
    try:
        answer = session.post(path(intent_id, "resume"), {"task_result": result})
    except errors.Conflict as refused:
        if refused.code == "not_waiting_for_human":
            # A server without tasks says the same of every intent.
            session.require("GET", ROUTE, "tasks for people")
        raise
    if session.out.as_json:
        session.out.document(answer)
    intent: Document = answer.get("intent") or {}
    session.out.facts({"intent_id": intent_id, "outcome": outcome, "lifecycle_status": intent.get("status")})
