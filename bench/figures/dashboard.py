"""What people wait for: pages of the list however much is stored, and changes in pages that are open."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import LiteralString

import httpx

from bench.options import Options
from bench.perdure import Perdure
from bench.processes import Client
from bench.report import Figure, percentile

#: How many are filled in by one statement.
PORTION = 100_000
#: Pages of each filter, at places all over the history.
PAGES = 60
OPEN_PAGES, CHANGES = 50, 60
#: Of an intent that has lived long.
EVENTS = 5_000
ROOT = "/o/myorg/production/"
#: Of 1,000: 3 fail, 2 are canceled, 1 times out; of 10,000 one waits and one has never been taken.
FILL_MIXED: LiteralString = """
    INSERT INTO intents_intent (
        id, organization_id, workspace_id, recipient_id, intent_type, correlation_id, to_agent, from_agent,
        payload, attributes, max_delivery_attempts, created_at, status, waiting_reason, seq, attempt, updated_at,
        policy_generation, has_timers
    )
    SELECT
        uuidv7(-interval '1 day' * random() * 20), %(organization)s::uuid, %(workspace)s::uuid,
        (%(agents)s::bigint[])[1 + number %% %(share)s], 'bench.kind' || number %% 40 || '.v1', gen_random_uuid(),
        'agent://myorg/production/filler', '', jsonb_build_object('n', number, 'data', repeat('x', 180)), '{}', 3,
        statement_timestamp(), drawn.status, CASE drawn.status WHEN 'WAITING' THEN 'WAITING_FOR_HUMAN' END,
        3, 1, statement_timestamp(), 0, false
    FROM generate_series(1, %(count)s) AS number
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN number %% 1000 < 3 THEN 'FAILED'
            WHEN number %% 1000 < 5 THEN 'CANCELED'
            WHEN number %% 1000 < 6 THEN 'TIMED_OUT'
            WHEN number %% 10000 = 6 THEN 'WAITING'
            WHEN number %% 10000 = 7 THEN 'SUBMITTED'
            ELSE 'COMPLETED'
        END AS status
    ) AS drawn
"""
FILL_OWED: LiteralString = """
    INSERT INTO intents_delivery (intent_id, agent_id, due_at, attempt, max_attempts, returns, is_detached, cursor)
    SELECT id, recipient_id, created_at, 0, 3, 0, false, 0
    FROM intents_intent
    WHERE status = 'SUBMITTED'
    ON CONFLICT DO NOTHING
"""

FILL_LIFE: LiteralString = """
    INSERT INTO intents_event (intent_id, seq, type, status, actor, details, at)
    SELECT
        %(intent)s, number, 'intent.in_progress', 'IN_PROGRESS', 'agent://myorg/production/longest',
        jsonb_build_object('checkpoint', jsonb_build_object('step', 'step ' || number, 'size', number)),
        statement_timestamp() + number * interval '1 second'
    FROM generate_series(3, %(events)s) AS number
"""


def figures(perdure: Perdure, options: Options) -> Iterator[Figure]:
    """First the changes, while little is stored; then the pages, when much is."""
    with httpx.Client(base_url=perdure.url, timeout=30) as browser:
        _log_in(browser, perdure)
        if options.wants("dashboard_visible"):
            yield _visible(perdure, browser)
            yield _visible_events(perdure, browser)
        if options.wants("dashboard_list"):
            _fill(perdure, options.large)
            yield from _pages(perdure, browser, options.large)
        if options.wants("dashboard_intent"):
            yield _long_life(perdure, browser)


def _log_in(browser: httpx.Client, perdure: Perdure) -> None:
    browser.get("/login/")
    form = {
        "username": perdure.facts["PERDURE_ADMIN_USER"],
        "password": perdure.facts["PERDURE_ADMIN_PASSWORD"],
        "csrfmiddlewaretoken": browser.cookies["csrftoken"],
    }
    answer = browser.post("/login/", data=form, headers={"Referer": perdure.url})
    if not answer.is_redirect:
        raise RuntimeError(f"the login fails: {answer.status_code}")


def _fill(perdure: Perdure, count: int) -> None:
    connection = perdure.database.connection
    agents = [perdure.database.agent_id(perdure.agent(f"mixed-{number}")[0]) for number in range(20)]
    names = {
        "organization": perdure.facts["PERDURE_ORG_ID"],
        "workspace": perdure.facts["PERDURE_WORKSPACE_ID"],
        "agents": agents,
        "share": len(agents),
        "count": PORTION,
    }
    for _ in range(0, count, PORTION):
        connection.execute(FILL_MIXED, names)
    connection.execute(FILL_OWED)
    tables: tuple[LiteralString, ...] = ("intents_intent", "intents_delivery", "intents_standing")
    for table in tables:
        connection.execute(f"VACUUM (ANALYZE) {table}")


def _pages(perdure: Perdure, browser: httpx.Client, count: int) -> Iterator[Figure]:
    database = perdure.database
    some = database.connection.execute(
        "SELECT id::text, correlation_id::text FROM intents_intent TABLESAMPLE BERNOULLI (0.1) LIMIT 500"
    ).fetchall()
    chance = random.Random(1)
    filters: dict[str, Callable[[], str]] = {
        "newest": lambda: "",
        "anywhere": lambda: f"before={chance.choice(some)[0]}",
        "failed": lambda: f"status=FAILED&before={chance.choice(some)[0]}",
        "waiting": lambda: "status=WAITING",
        "open": lambda: "status=SUBMITTED&status=DELIVERED&status=IN_PROGRESS&status=WAITING",
        "completed": lambda: f"status=COMPLETED&before={chance.choice(some)[0]}",
        "agent": lambda: f"agent=mixed-{chance.randrange(20)}&before={chance.choice(some)[0]}",
        "type": lambda: f"type=bench.kind{chance.randrange(40)}.v1&before={chance.choice(some)[0]}",
        "type_unknown": lambda: "type=no.such.v1",
        "correlation": lambda: f"correlation={chance.choice(some)[1]}",
        "id": lambda: f"q={chance.choice(some)[0]}",
        "within": lambda: "within=24h",
    }
    for name, query in filters.items():
        browser.get(f"{ROOT}intents/?{query()}")
        waits = sorted(_timed(browser, f"{ROOT}intents/?{query()}") for _ in range(PAGES))
        p95 = percentile(waits, 95) * 1000
        note = f"p50 {percentile(waits, 50) * 1000:.0f} ms, n={PAGES}, {count:,} stored"
        yield Figure(f"dashboard_list.{name}.p95", p95, "ms", wanted="≤ 150", note=note)
    waits = sorted(_timed(browser, ROOT) for _ in range(PAGES))
    yield Figure("dashboard_list.overview.p95", percentile(waits, 95) * 1000, "ms", note=f"n={PAGES}")


def _long_life(perdure: Perdure, browser: httpx.Client) -> Figure:
    """The page of an intent with thousands of events: at its head, and at events anywhere."""
    address, _ = perdure.agent("longest")
    submitted = perdure.call("POST", "/v1/intents", intent_type="bench.long.v1", to_agent=address, payload={})
    intent, connection = submitted["intent_id"], perdure.database.connection
    connection.execute(FILL_LIFE, {"intent": intent, "events": EVENTS})
    lived = "UPDATE intents_intent SET seq = %s, status = 'IN_PROGRESS' WHERE id = %s"
    connection.execute(lived, (EVENTS, intent))
    chance, path = random.Random(4), f"{ROOT}intents/{intent}/"
    browser.get(path)
    paths = [path, *(f"{path}?event={chance.randrange(1, EVENTS)}" for _ in range(PAGES - 1))]
    waits = sorted(_timed(browser, each) for each in paths)
    note = f"p50 {percentile(waits, 50) * 1000:.0f} ms, n={len(waits)}, {EVENTS:,} events"
    return Figure("dashboard_intent.p95", percentile(waits, 95) * 1000, "ms", wanted="≤ 300", note=note)


def _timed(browser: httpx.Client, path: str) -> float:
    started = time.monotonic()
    answer = browser.get(path)
    wait = time.monotonic() - started
    if answer.status_code != 200:
        raise RuntimeError(f"{path}: {answer.status_code}")
    return wait


def _visible(perdure: Perdure, browser: httpx.Client) -> Figure:
    """From the call that changes something to its row in each of the open lists; the call's own time included."""
    address, _ = perdure.agent("watched")
    changed: dict[str, float] = {}
    chance = random.Random(2)
    with _opened(perdure, browser, [f"/live{ROOT}intents"] * OPEN_PAGES) as lists:
        lists.read()
        time.sleep(2)
        lists.ask("seen")
        for _ in range(CHANGES):
            started = time.monotonic()
            made = perdure.call(
                "POST", "/v1/intents", intent_type="bench.work.v1", to_agent=address, payload={},
                correlation_id="11111111-1111-4111-8111-111111111111",
            )  # fmt: skip
            changed[f"{made['intent_id']} 2"] = started
            time.sleep(chance.uniform(0.1, 0.9))
            started = time.monotonic()
            perdure.call("POST", f"/v1/intents/{made['intent_id']}/resolve", status="CANCELED", reason="seen")
            changed[f"{made['intent_id']} 3"] = started
            time.sleep(chance.uniform(0.1, 0.9))
        time.sleep(3)
        seen = lists.ask("seen")["seen"]
    waits = []
    for each in seen:
        for name, started in changed.items():
            intent_id, _, seq = name.partition(" ")
            # Who was told of the next state at once has seen this one too.
            at = [each[key] for key in (name, f"{intent_id} {int(seq) + 1}") if key in each]
            if not at:
                raise RuntimeError(f"a list was never told of {name}")
            waits.append(min(at) - started)
    waits.sort()
    note = f"p50 {percentile(waits, 50) * 1000:.0f} ms, n={len(waits)}, {OPEN_PAGES} lists open"
    return Figure("dashboard_visible.p95", percentile(waits, 95) * 1000, "ms", wanted="≤ 500", note=note)


def _visible_events(perdure: Perdure, browser: httpx.Client) -> Figure:
    """From the call that makes an event to that event in the open page of its intent; the call's own time included."""
    address, _ = perdure.agent("followed")
    followed = [
        perdure.call("POST", "/v1/intents", intent_type="bench.work.v1", to_agent=address, payload={})[
            "intent_id"
        ]
        for _ in range(OPEN_PAGES)
    ]
    chance = random.Random(3)
    changed: list[float] = []
    with _opened(perdure, browser, [f"/live{ROOT}intents/{one}?after=2" for one in followed]) as pages:
        pages.read()
        time.sleep(2)
        for one in followed:
            changed.append(time.monotonic())
            perdure.call("POST", f"/v1/intents/{one}/resolve", status="CANCELED", reason="seen")
            time.sleep(chance.uniform(0.1, 0.9))
        time.sleep(3)
        seen = pages.ask("seen")["seen"]
    waits = []
    for one, started, each in zip(followed, changed, seen, strict=True):
        if "3 3" not in each:
            raise RuntimeError(f"the page of {one} was never told of its event")
        waits.append(each["3 3"] - started)
    waits.sort()
    note = f"p50 {percentile(waits, 50) * 1000:.0f} ms, n={len(waits)}, {OPEN_PAGES} intents open"
    return Figure(
        "dashboard_event_visible.p95", percentile(waits, 95) * 1000, "ms", wanted="≤ 500", note=note
    )


def _opened(perdure: Perdure, browser: httpx.Client, paths: list[str]) -> Client:
    """Pages that somebody who is logged in has open."""
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    return Client("lists", url=perdure.url, key="", cookie=cookie, paths=paths)
