"""Secrets that sing: planted wherever somebody may put one, and searched for wherever it must not come out again.

Each canary is a text that occurs nowhere else. Those of credentials may be found nowhere; those of payloads in the
database and in what their own tenant reads, but in no log, no metric and no error. Logs are at their most talkative.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
from websockets.sync.client import connect

from tests.audit.verdicts import Found
from tests.live import Account, Operator, intent
from tests.security.visiting import visiting
from tests.servers import Perdure, wait_until

#: Every text of a row of these, as the database would print it; `bytea` in hexadecimal would hide what it holds.
TABLES = """
    SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
"""
#: for an answer, also on a busy machine
PATIENCE = 120
#: Forms lead whoever asked for a page back to its address, and say it nowhere else.
WAY_BACK = re.compile(r'<input type="hidden" name="next" value="[^"]*">')
#: of a workspace: where keys are spoken of, or what was done by them
SHOWN = (
    "intents/{intent}/",
    "intents/{intent}/export/",
    "intents/",
    "agents/{agent}/",
    "keys/",
    "audit/",
)
HOLDS_VALUES = frozenset(
    {"intents_intent", "intents_event", "intents_checkpoint", "intents_threaditem", "intents_threadentry"}
)


@dataclass
class Cage:
    """The canaries, and where each was planted."""

    credentials: dict[str, str] = field(default_factory=dict)
    payloads: dict[str, str] = field(default_factory=dict)

    def credential(self, where: str, form: str = "{}") -> str:
        """A new secret that nobody may write down."""
        canary = f"canary{secrets.token_hex(12)}"
        self.credentials[where] = canary
        return form.format(canary)

    def payload(self, where: str) -> str:
        """A new text that is its tenant's alone."""
        canary = f"canary{secrets.token_hex(12)}"
        self.payloads[where] = canary
        return canary

    def find(self, text: str, *, payloads: bool = True) -> list[str]:
        """Where those were planted that sing in a text."""
        planted = {**self.credentials, **(self.payloads if payloads else {})}
        return [where for where, canary in planted.items() if canary in text]


def canaries() -> str:
    """No planted secret is in a log, a metric or an error; no credential is in the database or on a page."""
    cage = Cage()
    answers: list[str] = []
    with Perdure(web=1, PERDURE_LOG_LEVEL="DEBUG") as perdure, Operator.of(perdure) as operator:
        worker = operator.register()
        cage.credentials["the key of a worker"] = worker.key.rpartition("_")[2]
        answers += _in_headers(cage, perdure)
        answers += _in_bodies(cage, operator, worker)
        answers += _in_urls(cage, perdure, operator)
        answers += _on_pages(cage, perdure)
        _in_frames(cage, perdure, worker)
        intent_id = _by_key(perdure, operator, worker)
        metrics = httpx.get(f"{perdure.base_url}/metrics", timeout=PATIENCE).text
        exported = _pages(perdure, worker, intent_id, "audit/export/")
        shown = _pages(perdure, worker, intent_id, *SHOWN)
        wait_until(lambda: "perdure.access" in _logs(perdure), PATIENCE, "requests are logged")
        stored = _stored(cage, perdure)
        perdure.postgres.kill()
        answers += _during_an_outage(cage, perdure, operator, worker)
        logged = _logs(perdure)
    found = {
        "an answer that refuses": [each for answer in answers for each in cage.find(answer)],
        "the metrics": cage.find(metrics),
        "the export of the audit log": cage.find(exported),
        "an intent's page or export, or a page beside it": cage.find(shown, payloads=False),
        "the logs": cage.find(logged),
        "the database": stored,
    }
    if bad := [f"{place}: {where}" for place, sung in found.items() for where in sorted(set(sung))]:
        raise Found("\n".join(bad))
    if not (metrics and exported and worker.name in shown and len(logged) > 10_000 and all(answers)):
        raise Found("there was nothing to search in")
    planted = len(cage.credentials) + len(cage.payloads)
    searched = (
        f"{len(answers)} refusals, {len(logged) // 1000:,} kB of logs with those of PostgreSQL and Valkey,"
        f" the metrics, {len(SHOWN) + 1} pages and exports, and the database"
    )
    return f"{planted} canaries, none of them heard in {searched}"


def _in_headers(cage: Cage, perdure: Perdure) -> list[str]:
    """Credentials that are wrong are credentials of somewhere else."""
    planted = [
        {"x-api-key": cage.credential("x-api-key", "axme_sa_sa_0_{}")},
        {"x-api-key": cage.credential("x-api-key of another system", "sk-{}")},
        {"authorization": cage.credential("bearer", "Bearer axme_sa_{}")},
        {"authorization": cage.credential("bearer of another system", "Bearer {}")},
        {"authorization": cage.credential("basic", "Basic {}")},
        {"cookie": cage.credential("cookie", "sessionid={}")},
        {"x-api-key": "axme_sa_x", "proxy-authorization": cage.credential("proxy", "Basic {}")},
    ]
    return [
        httpx.get(f"{perdure.base_url}/v1/me", headers=headers, timeout=PATIENCE).text for headers in planted
    ]


def _in_bodies(cage: Cage, operator: Operator, worker: Account) -> list[str]:
    """In bodies that are refused, each in another way, and in one that is taken."""
    base = intent(worker)
    refused = [
        ("/v1/intents", json.dumps({**base, "payload": cage.payload("a payload cut off")})[:-3]),
        ("/v1/intents", json.dumps({**base, "payload": [cage.payload("a payload that is no object")]})),
        (
            "/v1/intents",
            json.dumps({**base, "to_agent": 3, "payload": {"a": cage.payload("beside a bad field")}}),
        ),
        ("/v1/intents", json.dumps({**base, "payload": {"a": "\u0000" + cage.payload("beside U+0000")}})),
        ("/v1/intents", json.dumps({**base, "payload": {"a": cage.payload("too large") + "x" * 300_000}})),
        ("/v1/intents/batch", json.dumps({"intents": [{"payload": cage.payload("in a batch")}] * 501})),
        ("/v1/scenarios/apply", json.dumps({"scenario_id": 3, "x": cage.payload("in a scenario")})),
        (
            "/v1/service-accounts",
            json.dumps({"name": "", "password": cage.credential("a password in a body")}),
        ),
    ]
    answers = [
        operator.http.post(path, content=body, headers={"content-type": "application/json"})
        for path, body in refused
    ]
    if taken := [answer.text for answer in answers if answer.status_code < 400]:
        raise Found(f"this was not refused: {taken}")
    intent_id = operator.submit(worker, {"secret": cage.payload("a payload that is taken")})
    operator.post(
        f"/v1/intents/{intent_id}/resolve", {"status": "COMPLETED", "result": {"a": cage.payload("a result")}}
    )
    path = f"/v1/intents/{operator.submit(worker)}/checkpoints/extract"
    operator.http.put(path, content=cage.payload("a checkpoint"), headers={"content-type": "text/plain"})
    return [answer.text for answer in answers]


def _in_urls(cage: Cage, perdure: Perdure, operator: Operator) -> list[str]:
    """Where no secret belongs, and somebody will put one."""
    paths = [
        "/v1/me?api_key=" + cage.credential("a query"),
        "/v1/intents?cursor=" + cage.credential("a cursor"),
        "/v1/nonsense?token=" + cage.credential("a query of no route", "axme_sa_sa_0_{}"),
        "/v1/agents/axme_sa_sa_0_" + cage.credential("a path"),
        "/login/?next=/&password=" + cage.credential("a query of a page"),
        "/o/myorg/production/?api_key=" + cage.credential("a query of a page that asks for a login"),
        "/nonsense/?token=" + cage.credential("a query of no page"),
        "/nonsense/axme_sa_sa_0_" + cage.credential("a path of no page"),
        "/o/axme_sa_sa_0_" + cage.credential("a path of no workspace") + "/production/",
        "/invitation/?token=" + cage.credential("an invitation that is none"),
        "/admin/login/?password=" + cage.credential("a query of the admin"),
    ]
    headers = {"x-api-key": operator.key}
    answers = [
        httpx.get(
            perdure.base_url + path,
            headers=headers if "/me" not in path else {},
            timeout=PATIENCE,
            follow_redirects=True,
        )
        for path in paths
    ]
    kinds = {answer.headers["content-type"].partition(";")[0] for answer in answers}
    if kinds != {"application/json", "text/html"}:
        raise Found(f"not both the API and pages were asked: {kinds}")
    return [WAY_BACK.sub("", answer.text) for answer in answers]


def _on_pages(cage: Cage, perdure: Perdure) -> list[str]:
    """In forms: a wrong password, an invitation that is none."""
    with httpx.Client(base_url=perdure.base_url, follow_redirects=True, timeout=PATIENCE) as browser:
        browser.get("/login/")
        token = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        login = {**token, "username": "admin", "password": cage.credential("a wrong password")}
        forged = {"username": "admin", "password": cage.credential("a password without a token")}
        return [browser.post("/login/", data=login).text, browser.post("/login/", data=forged).text]


def _in_frames(cage: Cage, perdure: Perdure, worker: Account) -> None:
    """In frames that are refused."""
    address = perdure.base_url.replace("http", "ws", 1) + "/ws/agent"
    with connect(address, additional_headers=worker.headers, open_timeout=PATIENCE) as socket:
        for frame in (
            json.dumps({"type": "hello", "address": worker.address}),
            json.dumps({"type": "complete", "result": cage.payload("a result in a bad frame")}),
            '{"type": "submit", "intents": ["' + cage.payload("a frame cut off"),
            json.dumps({"type": "teleport", "api_key": cage.credential("a key in a frame")}),
        ):
            socket.send(frame)
            socket.recv(PATIENCE)


def _during_an_outage(cage: Cage, perdure: Perdure, operator: Operator, worker: Account) -> list[str]:
    """When statements fail, with all that was in them."""
    answer = operator.http.post(
        "/v1/intents", json=intent(worker, {"a": cage.payload("a payload in an outage")})
    )
    login = httpx.post(
        f"{perdure.base_url}/login/",
        data={"password": cage.credential("a password in an outage")},
        timeout=PATIENCE,
    )
    if answer.status_code != 503:
        raise Found(f"an outage is answered {answer.status_code}: {answer.text[:500]}")
    return [answer.text, login.text]


def _by_key(perdure: Perdure, operator: Operator, worker: Account) -> str:
    """An intent in whose history the worker's key was used."""
    intent_id = operator.submit(worker)
    address = perdure.base_url.replace("http", "ws", 1) + "/ws/agent"
    with connect(address, additional_headers=worker.headers, open_timeout=PATIENCE) as socket:
        socket.send(json.dumps({"type": "hello", "address": worker.address, "max_in_flight": 50}))
        while True:
            for each in json.loads(socket.recv(PATIENCE)).get("deliveries", []):
                if each["intent_id"] == intent_id:
                    named = {"intent_id": intent_id, "lease": each["lease"]}
                    socket.send(json.dumps({"type": "acknowledge", **named}))
                    socket.send(json.dumps({"type": "complete", "result": {}, **named}))
                    operator.wait_for(intent_id, "COMPLETED", deadline=PATIENCE)
                    return intent_id


def _pages(perdure: Perdure, worker: Account, intent_id: str, *paths: str) -> str:
    """What an administrator sees and takes away."""
    with visiting(perdure, patience=PATIENCE) as browser:
        told = []
        for path in paths:
            where = f"/o/myorg/production/{path.format(intent=intent_id, agent=worker.id)}"
            answer = browser.get(where)
            if answer.status_code != 200 or answer.url.path != where:
                raise Found(f"{path} is not shown: {answer.status_code} {answer.url}")
            told.append(answer.text)
        return "\n".join(told)


def _stored(cage: Cage, perdure: Perdure) -> list[str]:
    """Where credentials are found in the database, and payloads where no payload belongs."""
    found: list[str] = []
    with psycopg.connect(perdure.environment["DATABASE_URL"], autocommit=True) as connection:
        for (table,) in connection.execute(TABLES).fetchall():
            rows: list[Any] = connection.execute(f'SELECT each::text FROM "{table}" AS each').fetchall()
            text = "\n".join(row for (row,) in rows)
            found += [f"{where} in {table}" for where in cage.find(text, payloads=table not in HOLDS_VALUES)]
    return found


def _logs(perdure: Perdure) -> str:
    """All that was logged, by us and by the servers beneath us."""
    logs = [process.log for process in (*perdure.web, perdure.worker)]
    return "\n".join(log.read_text() for log in (*logs, perdure.postgres.log, perdure.valkey.log))
