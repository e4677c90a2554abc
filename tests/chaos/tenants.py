"""Whose intents they are: tenants with agents of all kinds, and what a load has to know to be one of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.live import Account
from tests.servers import REPOSITORY, Process

if TYPE_CHECKING:
    from tests.chaos.world import World

SLUGS = ("acorn", "birch", "cedar", "dogwood")
#: The agents of each tenant that come in crowds, a thousand connections of all tenants together.
CROWDS = tuple(f"crowd-{number}" for number in range(5))
#: Agents that work; `poisoned` gets nothing but what kills it, `frozen` what is slow, `doomed` is killed by its switch.
KINDS = ("axme", "socket", "hasty", "poisoned", "frozen", "absent", "doomed", *CROWDS)

#: Founds each organization that is named, with an operator who may everything, and an agent of each kind.
FOUND = f"""
import json, sys
import django; django.setup()
from agents import keys, registry
from agents.models import ALL_SCOPES, Organization
rooms = {{"socket": 8, "hasty": 4}}
for slug in sys.argv[1:]:
    organization = Organization.objects.create(slug=slug, name=slug.title())
    workspace = organization.workspaces.create(slug="production", name="Production")
    operator = registry.register(workspace, "operator", created_by="chaos").agent
    accounts = {{}}
    for kind in {KINDS!r}:
        agent = registry.register(workspace, kind, created_by="chaos", max_in_flight=rooms.get(kind, 1)).agent
        key, token = keys.issue(agent, created_by="chaos")
        accounts[kind] = dict(name=kind, address=agent.address, id=str(agent.pk), key=token, key_id=str(key.pk))
    token = keys.issue(operator, created_by="chaos", scopes=ALL_SCOPES)[1]
    print(json.dumps(dict(slug=slug, key=token, accounts=accounts)))
"""


@dataclass
class Tenant:
    """An organization: its operator's key, and its agents by kind."""

    number: int
    slug: str
    key: str
    accounts: dict[str, Account]

    def agents(self, world: World) -> list[Process]:
        """Its agents' processes: two of the websocket client, one of `axme`, one hasty, one to be killed."""
        return [
            self._agent(world, "axme", f"axme-{self.number}", "axme_agent"),
            self._agent(world, "socket", f"socket-a-{self.number}", "socket_agent"),
            self._agent(world, "socket", f"socket-b-{self.number}", "socket_agent"),
            self._agent(world, "poisoned", f"poisoned-{self.number}", "socket_agent"),
            self._agent(world, "hasty", f"hasty-{self.number}", "hasty_agent"),
        ]

    def _agent(self, world: World, kind: str, route: str, module: str) -> Process:
        account = self.accounts[kind]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PERDURE_")}
        environment = {
            **inherited,
            "PYTHONPATH": str(REPOSITORY),
            "AXME_API_KEY": account.key,
            "AXME_BASE_URL": world.url(route),
            "CHAOS_HISTORY": str(world.directory / "history"),
            "CHAOS_ADDRESS": account.address,
            "CHAOS_NAME": route,
            "CHAOS_TENANT": self.slug,
        }
        # By its path: what an agent's developer writes imports nothing of Perdure's server.
        command = world.on_its_machine(route, [sys.executable, "-m", f"tests.chaos.clients.{module}"])
        return Process(route, command, environment, world.directory / f"{route}.log")

    def load_configuration(self, world: World, pace: float, seed: int) -> dict[str, Any]:
        """What the tenant's load is told; what it throws dice for follows from the seed."""
        return {
            "seed": seed,
            "history": str(world.directory / "history"),
            "name": f"load-{self.number}",
            "tenant": self.slug,
            "key": self.key,
            "urls": [world.url(f"load-{self.number}"), world.url("web-0"), world.url("web-1")],
            "addresses": {kind: account.address for kind, account in self.accounts.items()},
            "pace": pace / world.slowness,
            "patience": world.patience(4),
        }


def found_tenants(world: World) -> list[Tenant]:
    """Make the tenants with their agents and keys, in the way an administrator would."""
    made = subprocess.run(
        [sys.executable, "-c", FOUND, *SLUGS[: world.tenant_count]],
        env=world.perdure.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return [
        Tenant(
            number,
            told["slug"],
            told["key"],
            {kind: Account(**each) for kind, each in told["accounts"].items()},
        )
        for number, told in enumerate(map(json.loads, made.stdout.splitlines()))
    ]
