"""Submit an intent: from flags, from a file, or from standard input."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from perdure.cli.exits import Exit, UsageProblem
from perdure.cli.session import Document, Session

#: The server takes 128 KiB; what is larger by far is another file.
LARGEST_FILE = 16 * 1024 * 1024


def submit(
    session: Session,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", help="A JSON object with the fields of POST /v1/intents; `-` is standard input."
        ),
    ] = None,
    to: Annotated[str | None, typer.Option(metavar="AGENT", help="The agent's name or address.")] = None,
    intent_type: Annotated[
        str | None, typer.Option("--type", help="What is asked for, such as intent.pipeline.process.v1.")
    ] = None,
    payload: Annotated[
        str | None,
        typer.Option(
            metavar="JSON", help="What the agent is given: a JSON object, @FILE, or `-` for standard input."
        ),
    ] = None,
    correlation_id: Annotated[
        str | None, typer.Option(metavar="UUID", help="The thread it belongs to.")
    ] = None,
    ttl_seconds: Annotated[
        int | None, typer.Option("--ttl", min=1, metavar="SECONDS", help="How long it may take.")
    ] = None,
    max_delivery_attempts: Annotated[
        int | None, typer.Option("--max-attempts", min=1, help="How often it may be handed to its agent.")
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Name the request: repeated under this key, it is done once.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Then show its life until it has ended.")
    ] = False,
    timeout: Annotated[
        float | None, typer.Option(min=0.1, metavar="SECONDS", help="Watch no longer than this.")
    ] = None,
) -> Exit:
    """Submit an intent. What is answered is on disk. Flags go before what the file says."""
    body = read_json(file) if file is not None else {}
    said = {
        "to_agent": to,
        "intent_type": intent_type,
        "payload": _payload(payload, file) if payload is not None else None,
        "correlation_id": correlation_id,
        "ttl_seconds": ttl_seconds,
        "max_delivery_attempts": max_delivery_attempts,
    }
    body |= {name: value for name, value in said.items() if value is not None}
    body.setdefault("payload", {})
    missing = [name for name in ("intent_type", "to_agent") if not body.get(name)]
    if missing:
        flags = {"intent_type": "--type", "to_agent": "--to"}
        raise UsageProblem(f"missing: {' and '.join(f'{name} ({flags[name]})' for name in missing)}")
    answer = session.post("/v1/intents", body, idempotency_key=idempotency_key)
    return submitted(session, answer, watch=watch, timeout=timeout)


def submitted(session: Session, answer: Document, *, watch: bool, timeout: float | None) -> Exit:
    """Say that it is on disk, and show its life if that was asked for."""
    from perdure.cli.intents import follow  # which builds on this module

    session.out.facts({name: answer.get(name) for name in ("intent_id", "status", "to_agent", "retry_of")})
    for warning in answer.get("warnings") or ():
        session.out.warn(str(warning))
    if watch:
        return follow(session, answer["intent_id"], timeout=timeout, more=answer)
    if session.out.as_json:
        session.out.document(answer)
    return Exit.OK


def read_json(file: Path) -> Document:
    """The JSON object in a file, or on standard input for `-`.

    Raises:
        UsageProblem: it cannot be read, or is something else.
    """
    name = "standard input" if str(file) == "-" else str(file)
    return as_object(_text(file, name), name)


def as_object(text: str, name: str) -> Document:
    """The JSON object that the text is.

    Raises:
        UsageProblem: it is something else; the message says where.
    """
    try:
        found: Any = json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise UsageProblem(f"{name} is nested too deeply") from None
    except ValueError as error:
        raise UsageProblem(f"{name} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise UsageProblem(f"{name} has to hold a JSON object")
    return found


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no JSON number")


def _payload(text: str, file: Path | None) -> Document:
    if text == "-":
        if str(file) == "-":
            raise UsageProblem("standard input can be read once only")
        return read_json(Path("-"))
    if text.startswith("@"):
        return read_json(Path(text[1:]))
    return as_object(text, "--payload")


def _text(file: Path, name: str) -> str:
    try:
        if str(file) == "-":
            content = sys.stdin.buffer.read(LARGEST_FILE + 1)
        else:
            with file.open("rb") as opened:
                content = opened.read(LARGEST_FILE + 1)
        if len(content) > LARGEST_FILE:
            raise UsageProblem(f"{name} is larger than {LARGEST_FILE // 1024 // 1024} MiB")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageProblem(f"{name} is not text in UTF-8") from None
    except OSError as error:
        raise UsageProblem(f"{name} cannot be read: {error.strerror}") from None
