"""Agents: how each is, who is connected, what is owed; and the switch that stops one."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from urllib.parse import quote

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from agents import mesh
from agents.errors import AgentNotFound
from agents.models import Agent, Role
from agents.pages.server import server_address
from agents.pages.shell import PageRequest, page
from intents import fleet
from intents.filters import LONGEST, Filters
from intents.fleet import Member


@dataclass(frozen=True, slots=True)
class Snippet:
    """A way to connect, to be copied."""

    id: str
    title: str
    text: str


@page
@require_safe
def agents(request: PageRequest) -> HttpResponse:
    """All agents of the workspace, or those with a text in their address."""
    wanted = wanted_of(request)
    members, has_more = fleet.of_workspace(request.place.workspace.pk, wanted)
    context = {"members": members, "has_more": has_more, "wanted": wanted}
    return render(request, "intents/fleet.html", context)


@page
@require_safe
def agent(request: PageRequest, service_account_id: str) -> HttpResponse:
    """One agent: how it is now, its switch, and how to connect it."""
    member = _found(request, service_account_id)
    context = {
        "member": member,
        "query": Filters(agent=member.agent.address).query(),
        "snippets": _snippets(member.agent, server_address(request)),
        "longest_reason": mesh.LONGEST_REASON,
    }
    return render(request, "intents/agent.html", context)


@page(role=Role.OPERATOR)
@require_POST
def kill(request: PageRequest, service_account_id: str) -> HttpResponse:
    """Let nothing go to the agent or come from it."""
    found = _found(request, service_account_id).agent
    mesh.kill(found, by=request.place.operator(request), reason=request.POST.get("reason", ""))
    messages.success(request, "Killed: nothing goes to this agent, and nothing it says is recorded.")
    return _back(request, service_account_id)


@page(role=Role.OPERATOR)
@require_POST
def resumption(request: PageRequest, service_account_id: str) -> HttpResponse:
    """Let it work again."""
    mesh.resume(_found(request, service_account_id).agent, by=request.place.operator(request))
    messages.success(request, "Resumed: what is owed to this agent is delivered again.")
    return _back(request, service_account_id)


def wanted_of(request: HttpRequest) -> str:
    """The text that addresses are searched for."""
    return request.GET.get("q", "").strip().replace("\x00", "")[:LONGEST]


def _found(request: PageRequest, service_account_id: str) -> Member:
    try:
        return fleet.one(request.place.workspace.pk, service_account_id)
    except AgentNotFound:
        raise Http404 from None


def _back(request: PageRequest, service_account_id: str) -> HttpResponse:
    whither = request.place.url("intents:agent", service_account_id=service_account_id)
    return HttpResponseRedirect(whither, status=303)


def _snippets(agent: Agent, server: str) -> list[Snippet]:
    """Programs that work as this agent once there is a key in the environment. None holds a secret."""
    url, socket = json.dumps(server), json.dumps(server.replace("http", "ws", 1) + "/ws/agent")
    address = json.dumps(agent.address)
    stream = shlex.quote(f"{server}/v1/agents/{quote(agent.address, safe='')}/intents/stream")
    resume = f'"{server}/v1/intents/$INTENT_ID/resume"'
    return [
        Snippet(
            "axme",
            "Python, the axme SDK",
            f"""import os
from axme import AxmeClient, AxmeClientConfig

client = AxmeClient(AxmeClientConfig(api_key=os.environ["AXME_API_KEY"], base_url={url}))
for delivery in client.listen({address}):
    intent = client.get_intent(delivery["intent_id"])
    client.resume_intent(delivery["intent_id"], {{"action": "complete", "got": intent["payload"]}})""",
        ),
        Snippet(
            "websocket",
            "Python, a websocket",
            f"""import json, os
from websockets.sync.client import connect

key = {{"Authorization": "Bearer " + os.environ["AXME_API_KEY"]}}
with connect({socket}, additional_headers=key) as socket:
    socket.send(json.dumps({{"type": "hello", "address": {address}}}))
    for text in socket:
        frame = json.loads(text)
        for delivery in frame.get("deliveries", []) if frame["type"] == "deliveries" else []:
            named = {{"intent_id": delivery["intent_id"], "lease": delivery["lease"]}}
            socket.send(json.dumps({{"type": "acknowledge", **named}}))
            socket.send(json.dumps({{"type": "complete", "result": {{"got": delivery["payload"]}}, **named}}))""",
        ),
        Snippet(
            "curl",
            "curl",
            f"""curl -N -H "Authorization: Bearer $AXME_API_KEY" {stream}

curl -H "Authorization: Bearer $AXME_API_KEY" -H "Content-Type: application/json" \\
  -d '{{"action": "complete"}}' {resume}""",
        ),
    ]
