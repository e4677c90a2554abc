"""Who is measured beside Perdure: what each is asked to do here, how it is set, and what it does not do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One peer."""

    #: its folder here, and its environment: .venvs/peer-<name>
    name: str
    title: str
    settings: str
    lacks: str
    #: what it can be asked for: single, batched, latency, checkpoints
    measures: frozenset[str] = frozenset({"single", "batched", "latency", "checkpoints"})
    #: whether its pipelines run beside a worker, which does the work
    has_worker_for_steps: bool = False
    #: what it fills, and is emptied before each round; whatever refers to these goes with them
    tables: tuple[str, ...] = ()
    #: whether it has a server of its own, which starts each round with nothing
    is_server: bool = False
    #: whether it keeps its things in Valkey, which then has to write each down before it answers
    is_in_valkey: bool = False


PEERS = (
    Entry(
        "langgraph",
        "LangGraph `PostgresSaver`",
        '`AsyncPostgresSaver`, pool of 32, `durability="sync"`',
        "submits and delivers nothing: whoever runs the graph calls it; leases, attempts, tenants",
        measures=frozenset({"checkpoints"}),
        tables=("checkpoints", "checkpoint_blobs", "checkpoint_writes"),
    ),
    Entry(
        "dbos",
        "DBOS",
        "a queue that is asked every 10 ms, 64 threads, pool of 32; batches: 100 in a transaction",
        "it is a library: whoever submits needs the database's password; tenants",
        tables=(
            "dbos.workflow_status",
            "dbos.operation_outputs",
            "dbos.workflow_input",
            "dbos.workflow_output",
        ),
    ),
    Entry(
        "celery",
        "Celery with Valkey",
        "two worker processes, `task_acks_late`, prefetch 64; Valkey with `appendfsync always`; results in Valkey",
        "steps, history, batched submission; what a dead worker held comes back after an hour, unless set otherwise",
        measures=frozenset({"single", "latency"}),
        is_in_valkey=True,
    ),
    Entry(
        "procrastinate",
        "Procrastinate",
        "LISTEN/NOTIFY and a look every 100 ms, 8 workers of 4 jobs, pool of 24; steps as jobs that hand in the next",
        "results, steps; tenants, and submission without the database's password",
        tables=("procrastinate_jobs",),
    ),
    Entry(
        "pgqueuer",
        "PgQueuer",
        "asyncpg, pool of 8, batches of 100, durable tables, `CompletionWatcher`; steps as jobs that hand in the next",
        "results, payloads of what has ended, steps; tenants, and submission without the database's password",
        tables=("pgqueuer", "pgqueuer_log", "pgqueuer_statistics"),
    ),
    Entry(
        "restate",
        "Restate",
        "one node, 4 partitions, its own log with fsync; the call waits for the outcome; handler in Python, HTTP/2",
        "batched submission; SQL over one's data in PostgreSQL; agents behind NAT, for it calls them; licence BSL",
        measures=frozenset({"single", "latency", "checkpoints"}),
        has_worker_for_steps=True,
        is_server=True,
    ),
)
