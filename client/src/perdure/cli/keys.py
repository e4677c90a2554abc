"""API keys of agents: make one, see which there are, revoke one."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from perdure.cli import store
from perdure.cli.commanding import command
from perdure.cli.exits import CliError, Exit, UsageProblem
from perdure.cli.session import Document, Session, part
from perdure.cli.text import ago, line

app = typer.Typer(help="How agents prove who they are.", no_args_is_help=True)

_SERVICE_ACCOUNT = re.compile(r"sa_[0-9a-f]{8,}")
_LENGTH = re.compile(r"(\d{1,5})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

Agent = Annotated[
    str, typer.Argument(metavar="AGENT", help="The agent's name, address, or service account id.")
]


class Scope(StrEnum):
    """What a key may do."""

    SUBMIT = "intents:submit"
    READ = "intents:read"
    OPERATE = "intents:operate"
    AGENT = "agent"
    METRICS = "metrics"
    ADMIN = "admin"


@command(app, "create")
def create(
    session: Session,
    agent: Agent,
    scopes: Annotated[
        list[Scope] | None,
        typer.Option("--scope", help="What the key may do, once for each; otherwise what agents need."),
    ] = None,
    expires_in: Annotated[
        str | None, typer.Option(metavar="LENGTH", help="How long it is valid, such as 12h, 30d or 8w.")
    ] = None,
    register: Annotated[
        bool, typer.Option("--register", help="Register the agent first, if there is none of that name.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write the key into this file, for you alone."),
    ] = None,
) -> None:
    """Make a key. It is written once, to standard output; nobody can read it again later."""
    body: Document = {}
    if scopes:
        body["scopes"] = [str(scope) for scope in scopes]
    if expires_in is not None:
        body["expires_at"] = (datetime.now(UTC) + _length(expires_in)).isoformat()
    account_id = _account(session, agent, register=register)
    answer = session.post(f"/v1/service-accounts/{part(account_id)}/keys", body, idempotency_key=False)
    key: Document = answer["key"]
    token = str(key["token"])
    if output is not None:
        _save(output, token)
        shown = {name: value for name, value in key.items() if name != "token"}
        answer = {"ok": True, "key": shown, "file": str(output)}
        session.out.say(f"{key['key_id']} is in {output}.")
    else:
        session.out.say(token)
        session.out.note(f"This is {key['key_id']} of {account_id}. Keep it: it is not shown again.")
    if session.out.as_json:
        session.out.document(answer)


@command(app, "list")
def list_keys(session: Session, agent: Agent) -> None:
    """List the keys of an agent, without their secrets."""
    answer = session.get(f"/v1/service-accounts/{part(_account(session, agent))}/keys")
    if session.out.as_json:
        session.out.document(answer)
    rows = [
        (
            key["key_id"],
            key["status"],
            ", ".join(key.get("scopes") or ()),
            ago(key.get("created_at")),
            ago(key.get("last_used_at")),
            ago(key.get("expires_at")),
        )
        for key in answer["keys"]
    ]
    names = ("key_id", "status", "scopes", "created", "last_used", "expires")
    session.out.table(names, rows, empty="No keys.")


@command(app, "revoke")
def revoke(
    session: Session,
    agent: Agent,
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="The key's id, as in `keys list`.")],
    force: Annotated[
        bool, typer.Option("--force", help="Even if it is the key that this command uses.")
    ] = False,
) -> None:
    """Revoke a key: within a second it opens nothing, and what it holds open is closed."""
    if not force and session.get("/v1/me").get("key_id") == key_id:
        raise CliError(
            f"{key_id} is the key that this command uses",
            Exit.CONFLICT,
            code="own_key",
            hint="Log in with another first, or say --force.",
        )
    account_id = _account(session, agent)
    answer = session.post(f"/v1/service-accounts/{part(account_id)}/keys/{part(key_id)}/revoke")
    if session.out.as_json:
        session.out.document(answer)
    session.out.facts({"key_id": key_id, "status": answer["key"]["status"]})


def _account(session: Session, agent: str, *, register: bool = False) -> str:
    """The service account of an agent, made now if that was asked for and there is none."""
    from perdure import errors

    if _SERVICE_ACCOUNT.fullmatch(agent):
        return agent
    try:
        return str(session.get(f"/v1/agents/{part(agent)}")["agent"]["service_account_id"])
    except errors.NotFound:
        if not register:
            raise
    return str(session.client.agents.register(agent)["service_account_id"])


def _length(text: str) -> timedelta:
    found = _LENGTH.fullmatch(text.strip().lower())
    if found is None:
        raise UsageProblem(f"{line(text)!r} is not a length of time", hint="For example 90m, 12h, 30d or 8w.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _save(file: Path, token: str) -> None:
    try:
        store.write(file, token.encode() + b"\n")
    except OSError as error:
        raise UsageProblem(f"{file} cannot be written: {error.strerror}") from None
