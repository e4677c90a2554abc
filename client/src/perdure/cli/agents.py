"""Agents: who there is, how they are, and the switch that stops one."""

from __future__ import annotations

from typing import Annotated

import typer

from perdure.cli.commanding import command
from perdure.cli.session import Document, Session, part
from perdure.cli.text import ago, line

app = typer.Typer(help="Those who do what intents ask for.", no_args_is_help=True)

Address = Annotated[str, typer.Argument(metavar="AGENT", help="The agent's name or address.")]
MESH = "/v1/mesh/agents"
METRICS = ("intents_total", "intents_succeeded", "intents_failed", "avg_latency_ms", "cost_usd")


@command(app, "list")
def list_agents(
    session: Session,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 200,
) -> None:
    """List the agents of the workspace."""
    answer = session.get("/v1/agents", limit=limit)
    agents = answer["agents"]
    health = _health(session, limit)
    for agent in agents:
        agent |= {
            name: value for name, value in health.get(agent["address"], {}).items() if name not in agent
        }
    if session.out.as_json:
        session.out.document(answer)
    rows = [
        (
            agent["address"],
            agent.get("health_status"),
            agent["status"],
            agent.get("display_name"),
            ago(agent.get("last_seen_at")),
        )
        for agent in agents
    ]
    session.out.table(("address", "health", "status", "display_name", "last_seen"), rows, empty="No agents.")


@command(app, "show")
def show(session: Session, agent: Address) -> None:
    """Show an agent: its settings, its health, and what it has done of late."""
    answer = session.get(f"/v1/agents/{part(agent)}")
    known: Document = answer["agent"]
    mesh = _mesh(session, known["address"])
    if session.out.as_json:
        session.out.document({**answer, "mesh": mesh} if mesh else answer)
        return
    about = mesh.get("agent") or {}
    metrics = mesh.get("metrics") or about.get("metrics") or {}
    session.out.facts(
        {
            **{name: known.get(name) for name in ("address", "display_name", "service_account_id", "status")},
            "health": mesh.get("health_status") or about.get("health_status"),
            "killed_at": about.get("killed_at"),
            "kill_reason": about.get("kill_reason"),
            **{
                name: known.get(name)
                for name in ("delivery_mode", "callback_url", "max_in_flight", "created_at")
            },
            "last_seen": ago(known.get("last_seen_at")),
            "last_heartbeat": ago(about.get("last_heartbeat_at")),
            **{name: metrics.get(name) for name in METRICS},
        }
    )
    if events := mesh.get("events"):
        session.out.block("events", "\n".join(map(_event, events)))


@command(app, "kill")
def kill(
    session: Session,
    agent: Address,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the event.")] = "",
) -> None:
    """Stop an agent: it is given nothing, and what it says is refused, until it is resumed."""
    _switch(session, agent, "kill", {"reason": reason} if reason else {})


@command(app, "resume")
def resume(session: Session, agent: Address) -> None:
    """Let an agent that was killed go on. What is open is delivered to it again."""
    _switch(session, agent, "resume", {})


def _switch(session: Session, agent: str, verb: str, body: Document) -> None:
    from perdure import errors

    try:
        answer = session.post(f"{MESH}/{part(agent)}/{verb}", body)
    except errors.NotFound:
        session.require("POST", f"{MESH}/{{address_id}}/{verb}", "kill switch")
        raise
    if session.out.as_json:
        session.out.document(answer)
    session.out.facts({name: answer.get(name) for name in ("address", "status", "health_status")})


def _mesh(session: Session, address: str) -> Document:
    """What the mesh knows of an agent; nothing where there is none, or it is not for this key."""
    from perdure import errors

    try:
        return session.get(f"{MESH}/{part(address)}")
    except (errors.NotFound, errors.Forbidden):
        return {}


def _health(session: Session, limit: int) -> dict[str, Document]:
    """How the agents are, by address; the same."""
    from perdure import errors

    try:
        entries = session.get(MESH, limit=limit).get("agents") or []
    except (errors.NotFound, errors.Forbidden, errors.Invalid):
        return {}
    return {entry["address"]: {"health_status": entry.get("health_status")} for entry in entries}


def _event(event: Document) -> str:
    details = event.get("details")
    return f"{line(event.get('created_at'))}  {line(event.get('event_type'))}  {line(details) if details else ''}"
