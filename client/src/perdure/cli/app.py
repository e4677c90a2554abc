"""All commands in one tree, and the one place where a run of them ends."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Annotated, Any

import typer

from perdure.cli import (
    agents,
    checkpoints,
    context,
    doctor,
    intents,
    keys,
    login,
    scenarios,
    tasks,
)
from perdure.cli.commanding import AsJson, ContextName, Url, closed_pipe, interrupted, is_usage_error
from perdure.cli.exits import CliError, Exit
from perdure.cli.output import Output

#: Nothing typer would add of its own to an exception: it would show the values of variables, keys among them.
app = typer.Typer(
    name="perdure",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if sys.stdout.isatty() else None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
login.register(app)
doctor.register(app)
for name, group in (
    ("context", context.app),
    ("scenarios", scenarios.app),
    ("intents", intents.app),
    ("agents", agents.app),
    ("keys", keys.app),
    ("checkpoints", checkpoints.app),
    ("tasks", tasks.app),
):
    app.add_typer(group, name=name)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        sys.stdout.write(f"perdure {version('perdure')}\n")
        raise typer.Exit


@app.callback()
def everything(
    ctx: typer.Context,
    as_json: AsJson = False,
    context: ContextName = None,
    url: Url = None,
    version: Annotated[
        bool, typer.Option("--version", help="Say which version this is.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Durable requests to AI agents: submit them, watch them, and find out why one does not run.

    Begin with `perdure login`, or set PERDURE_URL and PERDURE_API_KEY.
    """
    ctx.obj = {"as_json": as_json, "context": context, "url": url}


def run(arguments: list[str]) -> int:
    """Run a command line to its exit code."""
    _speak_any_language()
    out = Output(as_json="--json" in arguments)
    try:
        # Asked to, typer returns exit codes instead of leaving by itself.
        ended: Any = typer.main.get_command(app)(args=arguments, prog_name="perdure", standalone_mode=False)
    except KeyboardInterrupt:
        ended = interrupted(out)
    except BrokenPipeError:
        ended = closed_pipe()
    except typer.Abort:
        ended = interrupted(out)
    except Exception as error:
        if not is_usage_error(error):
            raise
        ended = _misused(out, error)
    return _flushed(ended if isinstance(ended, int) else Exit.OK)


def _misused(out: Output, error: Exception) -> Exit:
    """Say what about the command line could not be understood."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError" and not out.as_json:
        out.note(str(error), "")
        return Exit.USAGE
    where = context.command_path if context is not None else "perdure"
    said = getattr(error, "format_message", lambda: str(error))()
    problem = CliError(said, Exit.USAGE, hint=f"`{where} --help` shows how it is used.")
    out.error(problem)
    return problem.exit_code


def _speak_any_language() -> None:
    """Write what the terminal's encoding has no character for as an escape, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _flushed(code: int) -> int:
    """The exit code, once all is written; a reader that has gone meanwhile is no error."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        closed_pipe()
    except OSError as error:
        with contextlib.suppress(OSError):
            os.write(2, f"Error: the output cannot be written: {error.strerror}\n".encode())
        closed_pipe()
        return int(Exit.BROKEN)
    return int(code)
