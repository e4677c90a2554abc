"""Another tenant's things do not exist: every route answers for them as for what nobody has, and changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from controlplane import access
from tests.controlplane.test_access import operations
from tests.live import Account, Operator, in_database, intent
from tests.servers import Perdure

ROUTES = sorted({name for name, _ in operations()})
#: What a route needs to get as far as looking for what its path names.
BODIES: dict[str, Any] = {
    "/resolve": {"status": "CANCELED", "reason": "mine now"},
    "/resume": {"rows": 3},
    "/policies/cost": {"max_intents_per_day": 9, "action_on_breach": "block"},
    "/policies/action": {"mode": "deny", "intent_types": ["demo.*"]},
    "/controls": {"controls_patch": {"priority": 1}},
    "/policy": {"grants_patch": {"priority": 1}},
    "/redeliver": {},
    "/retry": {},
    "/keys": {},
    "/revoke": {},
    "/usage": {"tokens": 1},
    "/v1/service-accounts/{service_account_id}": {"description": "mine now"},
}
#: A thread that nobody has comes into being as one's own: `test_threads` has strangers of its own.
THREADS = "/v1/threads/"
#: Headers that differ from answer to answer.
PASSING = frozenset({"x-request-id", "x-trace-id", "date", "set-cookie", "content-length"})


@dataclass
class Things:
    """What can be named in a path."""

    intent_id: str
    service_account_id: str
    key_id: str
    address: str
    step: str = "extract"

    def fill(self, path: str) -> str:
        """The path with these in the place of its parameters. A parameter nobody has told us of is an error."""
        return re.sub(r"\{(?:\w+:)?(\w+)\}", lambda found: str(getattr(self, found[1])), path)

    def blot_out(self, text: str) -> str:
        """The text without any of these."""
        for thing in (self.intent_id, self.service_account_id, self.key_id, self.address):
            text = text.replace(thing, "…")
        return text


@pytest.fixture(scope="module")
def owner(commons: Perdure) -> Iterator[Operator]:
    """Whose things these are."""
    with Operator.of(commons) as owner:
        yield owner


@pytest.fixture(scope="module")
def worker(owner: Operator) -> Account:
    return owner.register()


@pytest.fixture(scope="module")
def foreign(owner: Operator, worker: Account) -> Things:
    """Things that exist, in another organization."""
    return Things(owner.submit(worker), worker.id, worker.key_id, worker.address.removeprefix("agent://"))


@pytest.fixture(scope="module")
def unknown(foreign: Things) -> Things:
    """Things like those that nobody has."""
    digit = "0" if foreign.service_account_id[-1] != "0" else "1"
    return Things(
        str(uuid4()),
        foreign.service_account_id[:-1] + digit,
        foreign.key_id[:-1] + digit,
        "no-org/production/" + "n" * (len(foreign.address) - len("no-org/production/")),
    )


@pytest.fixture(scope="module")
def stranger(commons: Perdure) -> Iterator[Operator]:
    """Who may everything, in an organization of its own."""
    with Operator.of_another_tenant(commons) as stranger:
        yield stranger


@pytest.fixture(scope="module")
def strange_agent(stranger: Operator) -> Account:
    return stranger.register()


def body_of(path: str) -> Any:
    return next((body for end, body in BODIES.items() if path.endswith(end)), {})


def answer_of(response: httpx.Response, things: Things) -> tuple[int, str, dict[str, str]]:
    """All of an answer that could give something away."""
    headers = {name: value for name, value in response.headers.items() if name not in PASSING}
    return response.status_code, things.blot_out(response.text), headers


def state_of(perdure: Perdure, things: Things) -> list[Any]:
    """What a stranger could have changed."""
    return [
        in_database(
            perdure,
            "SELECT status, seq, policy_generation FROM intents_intent WHERE id = %s",
            things.intent_id,
        ),
        in_database(
            perdure,
            "SELECT status, description FROM agents_agent WHERE service_account_id = %s",
            things.service_account_id,
        ),
        in_database(perdure, "SELECT revoked_at FROM agents_apikey WHERE id = %s", things.key_id),
        in_database(
            perdure,
            "SELECT count(*) FROM agents_apikey JOIN agents_agent AS agent ON agent.id = agent_id"
            " WHERE service_account_id = %s",
            things.service_account_id,
        ),
    ]


def test_the_routes_are_those_of_the_url_configuration() -> None:
    assert set(ROUTES) == set(access.ROUTES)
    assert sum("{" in route for route in ROUTES) > 15


@pytest.mark.parametrize("who", ["administrator", "agent"])
@pytest.mark.parametrize("route", [route for route in ROUTES if "{" in route and THREADS not in route])
def test_a_foreign_thing_is_answered_like_an_unknown_one(
    commons: Perdure,
    stranger: Operator,
    strange_agent: Account,
    foreign: Things,
    unknown: Things,
    route: str,
    who: str,
) -> None:
    method, path = route.split(" ", 1)
    key = stranger.key if who == "administrator" else strange_agent.key
    before = state_of(commons, foreign)

    answers = [
        answer_of(
            stranger.http.request(
                method,
                things.fill(path),
                json=body_of(path) if method in {"POST", "PATCH", "PUT"} else None,
                headers={"x-api-key": key, "x-perdure-lease": str(uuid4())},
            ),
            things,
        )
        for things in (foreign, unknown)
    ]

    assert answers[0] == answers[1]
    assert answers[0][0] in ({404} if who == "administrator" else {403, 404})
    assert state_of(commons, foreign) == before


@pytest.mark.parametrize("form", ["{}", "agent://{}", "agent%3A%2F%2F{}", "agent:/{}"])
@pytest.mark.parametrize("rest", ["", "/intents/stream"])
def test_no_form_of_an_address_reaches_into_another_organization(
    stranger: Operator, foreign: Things, unknown: Things, form: str, rest: str
) -> None:
    answers = []
    for things in (foreign, unknown):
        address = things.address.replace("/", "%2F") if "%" in form else things.address
        answers.append(answer_of(stranger.http.get(f"/v1/agents/{form.format(address)}{rest}"), things))

    assert answers[0] == answers[1]
    assert answers[0][0] == 404


def test_a_name_means_the_callers_own_agent(owner: Operator, stranger: Operator, worker: Account) -> None:
    """The same bare name in two organizations is two agents."""
    mine = stranger.register(worker.name)
    intent_id = stranger.submit(worker.name)

    assert stranger.intent(intent_id)["to_agent"] == mine.address
    assert owner.http.get(f"/v1/intents/{intent_id}").status_code == 404


@pytest.mark.parametrize("field", ["to_agent", "reply_to", "escalate_to"])
def test_an_intent_can_name_nobody_of_another_organization(
    commons: Perdure, stranger: Operator, strange_agent: Account, foreign: Things, unknown: Things, field: str
) -> None:
    query = "SELECT count(*) FROM intents_intent WHERE organization_id = %s"
    before = in_database(commons, query, stranger.org_id)

    answers = [
        answer_of(
            stranger.http.post(
                "/v1/intents", json={**intent(strange_agent), field: f"agent://{things.address}"}
            ),
            things,
        )
        for things in (foreign, unknown)
    ]

    assert answers[0] == answers[1]
    assert answers[0][0] == 404
    assert "agent_not_found" in answers[0][1]
    assert in_database(commons, query, stranger.org_id) == before


def test_an_intent_of_a_batch_can_neither(stranger: Operator, foreign: Things, unknown: Things) -> None:
    bodies = [intent(f"agent://{things.address}") for things in (foreign, unknown)]

    first, second = stranger.post("/v1/intents/batch", {"intents": bodies})["results"]

    assert foreign.blot_out(str(first["error"])) == unknown.blot_out(str(second["error"]))
    assert first["error"]["code"] == "agent_not_found"


@pytest.mark.parametrize(
    "query",
    [
        "/v1/agents?org_id={org_id}",
        "/v1/agents?workspace_id={workspace_id}",
        "/v1/service-accounts?org_id={org_id}",
        "/v1/service-accounts?org_id={org_id}&workspace_id={workspace_id}",
        "/v1/service-accounts?workspace_id={workspace_id}",
        "/v1/intents?to_agent=agent://{address}",
    ],
)
def test_a_query_can_name_nothing_of_another_organization(
    owner: Operator, stranger: Operator, foreign: Things, unknown: Things, query: str
) -> None:
    answers = []
    for things, org_id, workspace_id in (
        (foreign, owner.org_id, owner.workspace_id),
        (unknown, str(uuid4()), str(uuid4())),
    ):
        path = query.format(org_id=org_id, workspace_id=workspace_id, address=things.address)
        status, text, headers = answer_of(stranger.http.get(path), things)
        answers.append((status, text.replace(org_id, "…").replace(workspace_id, "…"), headers))

    assert answers[0] == answers[1]
    assert foreign.intent_id not in answers[0][1]


@pytest.mark.parametrize("named", [("org_id",), ("workspace_id",), ("org_id", "workspace_id")])
def test_no_service_account_is_made_in_another_organization(
    owner: Operator, stranger: Operator, named: tuple[str, ...]
) -> None:
    answers = []
    for org_id, workspace_id in ((owner.org_id, owner.workspace_id), (str(uuid4()), str(uuid4()))):
        ids = {"org_id": org_id, "workspace_id": workspace_id}
        body = {"name": "trojan-horse", **{name: ids[name] for name in named}}
        response = stranger.http.post("/v1/service-accounts", json=body)
        text = response.text.replace(org_id, "…").replace(workspace_id, "…")
        answers.append((response.status_code, text))

    assert answers[0] == answers[1]
    assert answers[0][0] in {403, 404}
    assert owner.http.get("/v1/agents/trojan-horse").status_code == 404


def test_a_foreign_key_cannot_be_revoked_through_an_account_of_ones_own(
    commons: Perdure, stranger: Operator, strange_agent: Account, foreign: Things, unknown: Things
) -> None:
    before = state_of(commons, foreign)

    answers = [
        answer_of(
            stranger.http.post(f"/v1/service-accounts/{strange_agent.id}/keys/{things.key_id}/revoke"), things
        )
        for things in (foreign, unknown)
    ]

    assert answers[0] == answers[1]
    assert answers[0][0] == 404
    assert state_of(commons, foreign) == before


def test_a_bulk_cancellation_stays_at_home(
    commons: Perdure, owner: Operator, stranger: Operator, foreign: Things
) -> None:
    answer = stranger.post(
        "/v1/intents/bulk-cancel", {"older_than_hours": 0.1, "dry_run": False, "limit": 5000}
    )

    assert foreign.intent_id not in answer["intent_ids"]
    assert owner.status(foreign.intent_id) == "SUBMITTED"


def test_lists_show_ones_own_only(stranger: Operator, foreign: Things, worker: Account) -> None:
    shown = "".join(
        stranger.http.get(path).text
        for path in (
            "/v1/intents?limit=500",
            "/v1/agents",
            "/v1/service-accounts",
            "/v1/me",
            "/v1/openapi.json",
        )
    )

    for thing in (foreign.intent_id, foreign.service_account_id, foreign.key_id, foreign.address):
        assert thing not in shown


def test_an_idempotency_key_is_ones_own(owner: Operator, stranger: Operator, worker: Account) -> None:
    key = {"Idempotency-Key": str(uuid4())}

    mine = owner.post("/v1/intents", intent(worker), headers=key)
    theirs = stranger.post("/v1/intents", intent(worker.name), headers=key)

    assert mine["intent_id"] != theirs["intent_id"]


def test_a_scenario_provisions_nobody_in_another_organization(
    commons: Perdure, stranger: Operator, foreign: Things, unknown: Things
) -> None:
    def bundle(address: str) -> dict[str, Any]:
        return {
            "scenario_id": "test.tenants.v1",
            "agents": [{"role": "worker", "address": f"agent://{address}", "create_if_missing": True}],
            "workflow": {"steps": [{"step_id": "one", "assigned_to": "worker"}]},
            "intent": {"type": "test.work.v1", "payload": {}},
        }

    answers = [
        answer_of(stranger.http.post("/v1/scenarios/apply", json=bundle(things.address)), things)
        for things in (foreign, unknown)
    ]

    assert answers[0] == answers[1]
    assert 400 <= answers[0][0] < 500
