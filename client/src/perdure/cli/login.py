"""Who am I, and where: log in to a server, log out of it, and ask what the key may do."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from perdure.cli.commanding import command
from perdure.cli.contexts import (
    DEFAULT_URL,
    KEY_VARIABLES,
    URL_VARIABLES,
    Context,
    masked,
    normal_url,
)
from perdure.cli.exits import CliError, Exit, UsageProblem
from perdure.cli.session import Document, Session

#: A key is shorter than this by far; what is longer is some other file.
LONGEST_KEY = 4096

KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--api-key-file",
        metavar="FILE",
        help="Read the API key from this file, `-` for standard input. Keys have no option of their own: what stands"
        " in a command line is seen by everybody on the machine, and kept in the shell's history.",
    ),
]
ContextToMake = Annotated[
    str | None,
    typer.Option("--name", help="What to call this context; otherwise the server's name and port."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    command(app, "login")(login)
    command(app, "logout")(logout)
    command(app, "whoami")(whoami)


def login(session: Session, api_key_file: KeyFile = None, name: ContextToMake = None) -> None:
    """Try an API key at a server, and keep both as a context for all later commands.

    Asks for what neither options nor the environment (PERDURE_URL, PERDURE_API_KEY) say.
    """
    known = session.contexts.get(session.wanted_context) if session.wanted_context else None
    url = session.wanted_url or (known.url if known else _said(URL_VARIABLES)) or _ask_url(session)
    url = normal_url(url)
    api_key = _key_from(api_key_file) if api_key_file else _said(KEY_VARIABLES) or _ask_key(url)
    with session.client_for(url, api_key) as client:
        me = client.request("GET", "/v1/me")
    if not isinstance(me, dict) or "service_account" not in me:
        raise CliError(f"{url} does not answer like a Perdure server", Exit.BROKEN)
    context = Context(
        name=name or (known.name if known else urlsplit(url).netloc),
        url=url,
        api_key=api_key,
        org_id=str(me.get("org_id") or ""),
        workspace_id=str(me.get("workspace_id") or ""),
        address=str(me.get("address") or ""),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    session.contexts.put(context)
    session.out.say(f"Logged in to {url} as {context.address}.")
    session.out.note(f"Kept as context {context.name} in {session.contexts.path}.")
    if session.out.as_json:
        session.out.document({"ok": True, "context": context.public()})


def logout(session: Session) -> None:
    """Forget the current context and its key. The key itself stays valid: `perdure keys revoke` ends it."""
    name = session.wanted_context or session.contexts.current_name()
    if not name:
        raise CliError("you are not logged in", Exit.DENIED, code="not_logged_in")
    session.contexts.delete(name)
    session.out.say(f"Logged out of {name}.")
    if session.out.as_json:
        session.out.document({"ok": True, "context": name, "current": session.contexts.current_name()})


def whoami(session: Session) -> None:
    """Show whose key is used, at which server, and what it may do."""
    me = session.get("/v1/me")
    if session.out.as_json:
        session.out.document({**me, "url": session.target.url, "key_from": session.target.key_from})
    session.out.facts(identity(session, me))


def identity(session: Session, me: Document) -> Document:
    """What there is to say about whose key it is."""
    account = me.get("service_account") or {}
    return {
        "url": session.target.url,
        "url_from": session.target.url_from,
        "address": me.get("address"),
        "display_name": account.get("display_name"),
        "service_account_id": account.get("service_account_id"),
        "org_id": me.get("org_id"),
        "workspace_id": me.get("workspace_id"),
        "key_id": me.get("key_id"),
        "api_key": masked(session.target.api_key),
        "key_from": session.target.key_from,
        "scopes": ", ".join(me.get("scopes") or ()),
    }


def _said(names: tuple[str, ...]) -> str:
    return next((os.environ[name].strip() for name in names if os.environ.get(name, "").strip()), "")


def _ask_url(session: Session) -> str:
    current = session.contexts.current_name()
    default = session.contexts.all()[current].url if current in session.contexts.all() else DEFAULT_URL
    if not sys.stdin.isatty():
        return default
    return str(typer.prompt("Server", default=default, err=True))


def _ask_key(url: str) -> str:
    if not sys.stdin.isatty():
        raise UsageProblem(
            f"no API key for {url} was given, and nobody can be asked",
            hint="Use --api-key-file, or set PERDURE_API_KEY.",
        )
    return str(typer.prompt("API key (it is not shown)", hide_input=True, err=True)).strip()


def _key_from(file: Path) -> str:
    try:
        if str(file) == "-":
            text = sys.stdin.read(LONGEST_KEY)
        else:
            with file.open(encoding="utf-8") as opened:
                text = opened.read(LONGEST_KEY)
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise UsageProblem(f"{file} cannot be read: {why}") from None
    if len(words := text.split()) != 1:
        raise UsageProblem(f"{file} has to hold an API key, and nothing else")
    return words[0]
