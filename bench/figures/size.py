"""Whether cost grows with what is stored: the same calls, and the statements behind them, with few and with many.

What PostgreSQL takes for each of the four statements is its own word, of the very statements that the server prepared:
it logs how long each took to plan and to execute while one intent after the other is submitted, claimed and finished.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator
from statistics import median

from bench.figures import latency
from bench.options import Options
from bench.perdure import REPOSITORY, Perdure
from bench.processes import Client
from bench.report import Figure

#: Where it begins; that the one who is measured has some of them is as in life.
FEW = 10_000
LISTS = 100
#: How many intents go through the statements one by one.
LIFECYCLES = 300
#: figure → the file that has the statement, in intents/sql
STATEMENTS = {"submit": "submit", "claim": "claim", "finish": "finish", "list": "intents_of_workspace"}
LOGGED = re.compile(r"duration: (?P<ms>[\d.]+) ms  (?P<step>bind|execute|statement)[^:]*: (?P<text>-- .*)")
PATIENCE_SECONDS = 60


def figures(perdure: Perdure, options: Options) -> Iterator[Figure]:
    """Medians with so many intents stored; the ratio is to the same with few, so one is best."""
    database = perdure.database
    names = ["agent-websocket", *(f"past-{number}" for number in range(20))]
    agents = [database.agent_id(perdure.agent(name, 256)[0]) for name in names]
    database.begin_anew(0)
    database.fill(FEW, agents, ended=True)
    few = _measure(perdure, options)
    database.fill(options.large - FEW, agents, ended=True)
    many = _measure(perdure, options)
    database.begin_anew()
    note = f"with {options.large:,} finished intents, {options.large // len(agents):,} of them this agent's"
    for name, value in many.items():
        yield Figure(
            f"size.{name}", value * 1000, "ms", ratio=value / few[name], wanted="ratio ≤ 1.2", note=note
        )


def _measure(perdure: Perdure, options: Options) -> dict[str, float]:
    waits = latency.measure(perdure, "websocket", "agent_websocket", options.seconds * options.rounds / 2)
    return {
        "submit": median(waits["accepted"]),
        "start": median(waits["start"]),
        "seen": median(waits["seen"]),
        "list": median(_list(perdure) for _ in range(LISTS)),
        **_statements(perdure),
    }


def _list(perdure: Perdure) -> float:
    started = time.monotonic()
    perdure.call("GET", "/v1/intents?limit=50")
    return time.monotonic() - started


def _statements(perdure: Perdure) -> dict[str, float]:
    """How long each statement takes in the database, in seconds."""
    log = perdure.database_log()
    _log_statements(perdure, log_min_duration_statement="0", log_parameter_max_length="0")
    begins_at = log.stat().st_size
    _one_by_one(perdure)
    for _ in range(LISTS):
        _list(perdure)
    _log_statements(perdure, log_min_duration_statement=None, log_parameter_max_length=None)
    with log.open("rb") as lines:
        lines.seek(begins_at)
        written = lines.read().decode(errors="replace")
    found = {f"{name}_statement": _took(written, file) for name, file in STATEMENTS.items()}
    if missing := [name for name, took in found.items() if not took]:
        raise RuntimeError(f"the database logged nothing of {', '.join(missing)}")
    return found


def _took(log: str, statement: str) -> float:
    """The medians of planning and of executing it, together; they are told apart, and each is logged by itself."""
    # A statement begins with the comment that says what it does.
    begins = (REPOSITORY / "intents" / "sql" / f"{statement}.sql").read_text().splitlines()[0]
    steps: dict[str, list[float]] = {}
    for line in LOGGED.finditer(log):
        if line["text"].rstrip() == begins.rstrip():
            steps.setdefault(line["step"], []).append(float(line["ms"]) / 1000)
    return sum(map(median, steps.values()))


def _log_statements(perdure: Perdure, **settings: str | None) -> None:
    for name, value in settings.items():
        change = f"SET {name} = {value}" if value is not None else f"RESET {name}"
        perdure.database.connection.execute(f"ALTER SYSTEM {change}".encode())
    perdure.database.connection.execute("SELECT pg_reload_conf()")
    time.sleep(1)  # each connection hears of it before its next statement, or a little later


def _one_by_one(perdure: Perdure) -> None:
    """Submit while nobody waits, so that all have to be claimed; then let an agent take one at a time."""
    address, key = perdure.agent("agent-websocket", 256)
    agent_id = perdure.database.agent_id(address)
    before = perdure.database.completed(agent_id)
    for number in range(LIFECYCLES):
        payload = {"n": number, "sent_ns": 0, "data": "x" * 155}
        perdure.call(
            "POST", "/v1/intents", intent_type="bench.work.v1", to_agent=address, payload=payload,
            correlation_id=str(uuid.uuid4()),
        )  # fmt: skip
    of = {"url": perdure.socket_url, "key": key, "address": address, "max_in_flight": 1, "batched": True}
    deadline = time.monotonic() + PATIENCE_SECONDS
    with Client("agent_websocket", **of) as agent:
        agent.read()
        while perdure.database.completed(agent_id) - before < LIFECYCLES:
            if time.monotonic() > deadline:
                raise RuntimeError("not all intents completed that were to be claimed one by one")
            time.sleep(0.2)
        agent.ask("stop")
