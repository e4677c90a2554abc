"""What all commands share: the options that every one has, and how each of them ends."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import typer

from perdure.cli.exits import CliError, Exit
from perdure.cli.failures import explain
from perdure.cli.output import Output
from perdure.cli.session import Session

EVERYWHERE = "Options of every command"

AsJson = Annotated[
    bool, typer.Option("--json", help="Write one JSON document, also for errors.", rich_help_panel=EVERYWHERE)
]


def _context_names(incomplete: str) -> list[str]:
    """Complete the name of a context. A file that cannot be read completes to nothing."""
    from perdure.cli.contexts import Contexts

    try:
        return [name for name in Contexts().all() if name.startswith(incomplete)]
    except CliError:
        return []


ContextName = Annotated[
    str | None,
    typer.Option(
        "--context",
        metavar="NAME",
        help="Go to the server of this context, whatever the environment says.",
        rich_help_panel=EVERYWHERE,
        autocompletion=_context_names,
    ),
]
Url = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="Go to this server.", rich_help_panel=EVERYWHERE),
]
COMMON = {"as_json": (AsJson, False), "context": (ContextName, None), "url": (Url, None)}

Command = Callable[..., Any]


def command(app: typer.Typer, name: str, **settings: Any) -> Callable[[Command], Command]:
    """Register a function as a command. It gets a `Session` first, then what its own signature asks for.

    It ends well by returning, with another exit code by returning that, and badly by raising.
    """

    def register(function: Command) -> Command:
        app.command(name, **settings)(_with_common_options(function))
        return function

    return register


def _with_common_options(function: Command) -> Command:
    hints = get_type_hints(function, include_extras=True)
    [_, *own] = [
        parameter.replace(annotation=hints[parameter.name])
        for parameter in inspect.signature(function).parameters.values()
    ]
    ctx = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    common = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in COMMON.items()
    ]

    def run(**given: Any) -> None:
        said = _said(given.pop("ctx"), {name: given.pop(name) for name in COMMON})
        raise typer.Exit(int(perform(function, said, given)))

    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    run.__signature__ = inspect.Signature([ctx, *parameters, *common])  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in (ctx, *parameters, *common)}
    run.__name__, run.__doc__, run.__module__ = function.__name__, function.__doc__, function.__module__
    return run


def _said(ctx: typer.Context, here: dict[str, Any]) -> dict[str, Any]:
    """The common options: those of the command itself, else those said before its name."""
    before = ctx.find_root().obj or {}
    return {name: value or before.get(name) or COMMON[name][1] for name, value in here.items()}


def perform(function: Command, said: dict[str, Any], given: dict[str, Any]) -> Exit:
    """Run a command to its exit code. Whatever goes wrong is told in a sentence."""
    out = Output(as_json=said["as_json"])
    try:
        with Session(out, context=said["context"], url=said["url"]) as session:
            return function(session, **given) or Exit.OK
    except KeyboardInterrupt:
        return interrupted(out)
    except BrokenPipeError:
        return closed_pipe()
    except typer.Exit as asked:
        return Exit(asked.exit_code)
    except Exception as error:  # a user is owed a sentence, whatever it is
        if is_usage_error(error):
            raise
        if os.environ.get("PERDURE_DEBUG") and not isinstance(error, CliError):
            raise
        problem = explain(error)
        out.error(problem)
        return problem.exit_code


def interrupted(out: Output) -> Exit:
    """What Ctrl-C comes to."""
    if out.as_json:
        out.document(CliError("interrupted", Exit.INTERRUPTED).document())
    else:
        out.note("Interrupted.")
    return Exit.INTERRUPTED


def closed_pipe() -> Exit:
    """Nobody reads on, as with `| head`: end quietly, and do not complain at exit about what cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.OK


def is_usage_error(error: Exception) -> bool:
    """Whether the command line could not be understood; typer's own way to say so."""
    # Its class is not public, but this subclass of it is.
    return isinstance(error, typer.BadParameter.__mro__[1])
