"""Contexts: the servers that were logged in to, and which of them is meant when nothing else is said."""

from __future__ import annotations

from typing import Annotated

import typer

from perdure.cli.commanding import _context_names, command
from perdure.cli.contexts import Context
from perdure.cli.exits import CliError, Exit
from perdure.cli.session import Session

app = typer.Typer(help="Servers that you have logged in to.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The context's name.", autocompletion=_context_names)]
MaybeName = Annotated[
    str | None,
    typer.Argument(help="The context's name; otherwise the current one's.", autocompletion=_context_names),
]


@command(app, "list")
def list_contexts(session: Session) -> None:
    """List all contexts. The current one is marked."""
    contexts, current = session.contexts.all(), session.contexts.current_name()
    if session.out.as_json:
        shown = [each.public() for each in contexts.values()]
        session.out.document({"ok": True, "current": current, "contexts": shown})
    rows = [("*" if name == current else "", name, each.url, each.address) for name, each in contexts.items()]
    session.out.table(
        ("current", "name", "url", "address"), rows, empty="No contexts: `perdure login` makes one."
    )


@command(app, "use")
def use(session: Session, name: Name) -> None:
    """Use this context from now on."""
    context = session.contexts.use(name)
    session.out.say(f"{context.name} is the current context: {context.url}")
    _document(session, context)


@command(app, "show")
def show(session: Session, name: MaybeName = None) -> None:
    """Show a context, without the secret of its key."""
    wanted = name or session.wanted_context or session.contexts.current_name()
    if not wanted:
        raise CliError("there is no current context", Exit.NOT_FOUND, hint="`perdure login` makes one.")
    context = session.contexts.get(wanted)
    _document(session, context)
    session.out.facts({**context.public(), "file": session.contexts.path})


@command(app, "delete")
def delete(session: Session, name: Name) -> None:
    """Forget a context and its key."""
    session.contexts.delete(name)
    session.out.say(f"{name} is forgotten.")
    if session.out.as_json:
        session.out.document({"ok": True, "context": name, "current": session.contexts.current_name()})


def _document(session: Session, context: Context) -> None:
    if session.out.as_json:
        is_current = context.name == session.contexts.current_name()
        session.out.document({"ok": True, "context": context.public(), "is_current": is_current})
