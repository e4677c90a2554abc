"""What tests say to a running Perdure: over HTTP as an operator would, and to its database where nobody else may look.

operator = Operator.of(perdure)
agent = operator.register()
intent_id = operator.submit(agent, {"rows": 3})
operator.wait_for(intent_id, "COMPLETED")
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from dataclasses import dataclass
from itertools import count
from types import TracebackType
from typing import Any, Self

import httpx
import psycopg

from intents.lifecycle import replay
from tests.servers import REPOSITORY, Perdure, wait_until

_numbers = count(1)

#: Founds an organization in the database of a running Perdure, and prints a key that may everything in it.
FOUND = """
import json, sys
import django; django.setup()
from agents import keys, registry
from agents.models import ALL_SCOPES, Organization
organization = Organization.objects.create(slug=sys.argv[1], name=sys.argv[1].title())
workspace = organization.workspaces.create(slug="production", name="Production")
operator = registry.register(workspace, "operator", created_by="test").agent
token = keys.issue(operator, created_by="test", scopes=ALL_SCOPES)[1]
print(json.dumps({"key": token, "org_id": str(organization.pk), "workspace_id": str(workspace.pk)}))
"""

TERMINAL = frozenset({"COMPLETED", "FAILED", "CANCELED", "TIMED_OUT"})
TERMINAL_EVENTS = frozenset({"intent.completed", "intent.failed", "intent.canceled", "intent.timed_out"})


@dataclass(frozen=True)
class Account:
    """A registered agent, and its key."""

    name: str
    address: str
    id: str
    key: str
    key_id: str

    @property
    def headers(self) -> dict[str, str]:
        return {"x-api-key": self.key}


class Operator:
    """Whoever holds a key that may everything in its organization, talking to one web process."""

    def __init__(self, base_url: str, key: str, org_id: str, workspace_id: str) -> None:
        self.base_url = base_url
        self.key = key
        self.org_id = org_id
        self.workspace_id = workspace_id
        self.http = httpx.Client(base_url=base_url, headers={"x-api-key": key}, timeout=60)

    @classmethod
    def of(cls, perdure: Perdure, web: int = 0) -> Self:
        """The operator of the organization that the first boot makes, at this web process."""
        facts = perdure.facts
        return cls(
            perdure.web[web].base_url,
            facts["AXME_API_KEY"],
            facts["PERDURE_ORG_ID"],
            facts["PERDURE_WORKSPACE_ID"],
        )

    @classmethod
    def of_another_tenant(cls, perdure: Perdure, slug: str = "") -> Self:
        """The operator of an organization founded now."""
        made = subprocess.run(
            [sys.executable, "-c", FOUND, slug or f"rivals-{uuid.uuid4().hex[:8]}"],
            env=perdure.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        return cls(perdure.base_url, **json.loads(made.stdout.splitlines()[-1]))

    def at(self, perdure: Perdure, web: int) -> Self:
        """The same operator, talking to another web process."""
        return type(self)(perdure.web[web].base_url, self.key, self.org_id, self.workspace_id)

    def close(self) -> None:
        self.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def post(self, path: str, body: Any = None, **options: Any) -> dict[str, Any]:
        """What a POST is answered; it has to succeed."""
        return _answer(self.http.post(path, json=body, **options))

    def get(self, path: str, **options: Any) -> dict[str, Any]:
        """What a GET is answered; it has to succeed."""
        return _answer(self.http.get(path, **options))

    def register(self, name: str = "", **settings: Any) -> Account:
        """A new agent with a key of its own."""
        name = name or f"worker-{next(_numbers)}-{uuid.uuid4().hex[:6]}"
        account = self.post("/v1/service-accounts", {"name": name, **settings})["service_account"]
        key = self.post(f"/v1/service-accounts/{account['service_account_id']}/keys", {})["key"]
        return Account(
            name, account["agent_address"], account["service_account_id"], key["token"], key["key_id"]
        )

    def revoke(self, account: Account) -> None:
        """Make the agent's key worthless."""
        self.post(f"/v1/service-accounts/{account.id}/keys/{account.key_id}/revoke")

    def submit(self, to: Account | str, payload: dict[str, Any] | None = None, **fields: Any) -> str:
        """The id of a new intent."""
        return str(self.post("/v1/intents", intent(to, payload, **fields))["intent_id"])

    def intent(self, intent_id: str) -> dict[str, Any]:
        """The intent as it is now. An operator's reading is no sign of the agent's."""
        found: dict[str, Any] = self.get(f"/v1/intents/{intent_id}")["intent"]
        return found

    def status(self, intent_id: str) -> str:
        return str(self.intent(intent_id)["status"])

    def events(self, intent_id: str) -> list[dict[str, Any]]:
        """The history, checked to have no gap."""
        events: list[dict[str, Any]] = self.get(f"/v1/intents/{intent_id}/events")["events"]
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        return events

    def story(self, intent_id: str) -> list[str]:
        """The history in short: `submitted delivered …`."""
        return [event["event_type"].removeprefix("intent.") for event in self.events(intent_id)]

    def wait_for(self, intent_id: str, *statuses: str, deadline: float = 30) -> dict[str, Any]:
        """The intent, as soon as it has one of these statuses, or any terminal one if none is named."""
        wanted = frozenset(statuses) or TERMINAL

        def reached() -> dict[str, Any] | None:
            now = self.intent(intent_id)
            if now["status"] in wanted:
                return now
            assert now["status"] not in TERMINAL, f"{now['status']} instead: {self.story(intent_id)}"
            return None

        found = wait_until(reached, deadline, f"{intent_id} becomes {' or '.join(sorted(wanted))}")
        assert found
        return found


def intent(to: Account | str, payload: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """The body of a submission."""
    return {
        "intent_type": "test.work.v1",
        "correlation_id": str(uuid.uuid4()),
        "to_agent": to.address if isinstance(to, Account) else to,
        "payload": payload or {},
        **fields,
    }


def _answer(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, f"{response.request.url}: {response.status_code} {response.text}"
    answer: dict[str, Any] = response.json()
    return answer


def assert_histories_add_up(perdure: Perdure) -> None:
    """Fail if an intent's history has a gap, or does not lead to its status."""
    query = (
        "SELECT intent.id, intent.status, intent.seq, array_agg(event.seq ORDER BY event.seq),"
        " array_agg(event.type ORDER BY event.seq)"
        " FROM intents_intent AS intent JOIN intents_event AS event ON event.intent_id = intent.id GROUP BY intent.id"
    )
    for intent_id, status, last, numbers, history in in_database(perdure, query):
        assert numbers == list(range(1, last + 1)), f"{intent_id}: {numbers}"
        assert replay(history) == status, f"{intent_id}: {history}"


def verify_history(perdure: Perdure) -> None:
    """Have the command that operators have say the same of all histories."""
    command = [sys.executable, str(REPOSITORY / "manage.py"), "verify_history"]
    verified = subprocess.run(command, env=perdure.environment, capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def in_database(perdure: Perdure, query: str, *parameters: Any, **named: Any) -> list[tuple[Any, ...]]:
    """The rows that a query finds in this Perdure's database."""
    with psycopg.connect(perdure.environment["DATABASE_URL"], autocommit=True) as connection:
        cursor = connection.execute(query, named or parameters)
        return cursor.fetchall() if cursor.description else []


def is_connected(perdure: Perdure, account: Account) -> bool:
    """Whether a web process has told of a connection of this agent."""
    query = (
        "SELECT 1 FROM agents_connection AS open JOIN agents_agent AS agent ON agent.id = open.agent_id"
        " WHERE agent.address = %s"
    )
    return bool(in_database(perdure, query, account.address))


def complaints(perdure: Perdure, *loggers: str) -> list[str]:
    """What the processes have logged as errors, all or only these loggers: nothing a client does may be one."""
    logs = (process.log for process in (*perdure.web, perdure.worker))
    lines = (line for log in logs if log.exists() for line in log.read_text().splitlines())
    errors = [line[:3000] for line in lines if '"level": "error"' in line or line.startswith("Traceback")]
    return [line for line in errors if not loggers or any(f'"logger": "{name}' in line for name in loggers)]
