"""Checkpoints: which steps of an intent are done, and what they left."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from perdure.cli import store
from perdure.cli.commanding import command
from perdure.cli.exits import Exit, UsageProblem
from perdure.cli.intents import IntentId, checked, path
from perdure.cli.session import Document, Session
from perdure.cli.text import ago, size

app = typer.Typer(help="What agents have saved of their steps.", no_args_is_help=True)

ROUTE = "/v1/intents/{intent_id}/checkpoints"


@command(app, "list")
def list_checkpoints(session: Session, intent_id: IntentId) -> None:
    """List the steps of an intent that are done, in their order."""
    from perdure import errors

    try:
        answer = session.get(path(intent_id, "checkpoints"))
    except errors.NotFound:
        session.require("GET", ROUTE, "checkpoints")
        raise
    if session.out.as_json:
        session.out.document(answer)
    rows = [
        (each["step"], size(each["size"]), each["content_type"], each["attempt"], ago(each["at"]))
        for each in answer["checkpoints"]
    ]
    names = ("step", "size", "content_type", "attempt", "saved")
    session.out.table(names, rows, empty="No checkpoints.")


@command(app, "get")
def get(
    session: Session,
    intent_id: IntentId,
    step: Annotated[str, typer.Argument(help="The step's name.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write the bytes into this file."),
    ] = None,
) -> Exit:
    """Write the bytes that a step has saved, as they are, to standard output or into a file.

    With --json they are in the document: as `value` if they are JSON, else as `value_base64`.
    """
    from perdure import errors

    wanted = checked(intent_id)
    try:
        content, content_type = session.client.checkpoints.get_raw(wanted, step)
    except errors.NotFound:
        session.require("GET", f"{ROUTE}/{{step}}", "checkpoints")
        raise
    about: Document = {"step": step, "size": len(content), "content_type": content_type}
    if output is not None:
        try:
            store.write(output, content)
        except OSError as error:
            raise UsageProblem(f"{output} cannot be written: {error.strerror}") from None
        session.out.note(f"{size(len(content))} of {content_type} are in {output}.")
        about["file"] = str(output)
    elif session.out.as_json:
        about |= _value(content, content_type)
    else:
        _write(content)
    if session.out.as_json:
        session.out.document({"ok": True, "intent_id": wanted, "checkpoint": about})
    return Exit.OK


def _write(content: bytes) -> None:
    """Write the bytes, unless that would be a terminal which takes some of them for commands."""
    if sys.stdout.isatty() and not _is_harmless(content):
        raise UsageProblem(
            "these bytes are not text, and would confuse your terminal",
            hint="Write them into a file with --output, or through a pipe.",
        )
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def _is_harmless(content: bytes) -> bool:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character in "\n\t" for character in text)


def _value(content: bytes, content_type: str) -> Document:
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        try:
            return {"value": json.loads(content)}
        except (ValueError, RecursionError):
            pass  # whoever stored it said more than was true
    return {"value_base64": base64.b64encode(content).decode()}
