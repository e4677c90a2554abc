"""Scenarios: bundles of agents and steps, in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from perdure.cli.agent_keys import KeyRing, provision
from perdure.cli.commanding import command
from perdure.cli.exits import Exit
from perdure.cli.intents import Timeout, Watch, follow
from perdure.cli.session import Session
from perdure.cli.submitting import read_json

app = typer.Typer(help="Bundles of agents and steps, set going at once.", no_args_is_help=True)

File = Annotated[
    Path, typer.Argument(metavar="FILE", help="The scenario, a JSON object; `-` is standard input.")
]


@command(app, "apply")
def apply(
    session: Session,
    file: File,
    watch: Watch = False,
    timeout: Timeout = None,
    show_keys: Annotated[
        bool, typer.Option("--show-keys", help="Also write the keys of the scenario's agents.")
    ] = False,
) -> Exit:
    """Provide the scenario's agents with keys, and start it.

    The keys are kept in scenario-agents.json in your config directory, readable by you alone.
    """
    bundle = read_json(file)
    ring = KeyRing(session.target.url)
    provisioned, warnings = provision(session, ring, bundle)
    answer = session.post("/v1/scenarios/apply", bundle)
    answer["agent_keys"] = [each.document(with_key=show_keys) for each in provisioned]
    answer["warnings"] = [*(answer.get("warnings") or ()), *warnings]
    out = session.out
    names = ("intent_id", "scenario_id", "status", "pending_with", "compile_id")
    out.facts({name: answer.get(name) for name in names})
    for each in provisioned:
        out.facts({f"key of {each.address}": each.api_key if show_keys else f"{each.key_id} ({each.state})"})
    if provisioned:
        out.note(f"Agents' keys are in {ring.path}.")
    for warning in answer["warnings"]:
        out.warn(str(warning))
    if watch:
        return follow(session, answer["intent_id"], timeout=timeout, more=answer)
    if out.as_json:
        out.document(answer)
    return Exit.OK


@command(app, "validate")
def validate(session: Session, file: File) -> Exit:
    """Say what is wrong with a scenario, and create nothing. If something is, the exit code is 1."""
    answer = session.post("/v1/scenarios/validate", read_json(file), idempotency_key=False)
    out = session.out
    for error in answer.get("errors") or ():
        out.say(f"Error: {error}", "red")
    for warning in answer.get("warnings") or ():
        out.warn(str(warning))
    if answer.get("valid"):
        out.say(f"{file} is valid.")
    exit_code = Exit.OK if answer.get("valid") else Exit.FAILED
    if out.as_json:
        out.document({**answer, "ok": exit_code is Exit.OK})
    return exit_code
