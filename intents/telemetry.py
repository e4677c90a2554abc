"""What the process counts about its own work.

Figures about what is stored are read when somebody asks for them. Nothing here has a label that grows with the number
of tenants, agents or intents.
"""

from collections.abc import Collection

from prometheus_client import Counter, Gauge, Histogram

from intents.records import Lease

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
SIZES = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000)

#: One flush of the coalescer: a statement for as many intents as gathered while the one before was in flight.
FLUSH_SIZE = Histogram(
    "perdure_flush_size", "Rows written by one flush of a statement", ["statement"], buckets=SIZES
)
FLUSH_SECONDS = Histogram(
    "perdure_flush_seconds", "Seconds that one flush took, commit included", ["statement"], buckets=SECONDS
)

#: One claim of the dispatcher, for all the agents that wait in this process.
CLAIM_SIZE = Histogram("perdure_claim_size", "Deliveries leased by one claim", buckets=(0, *SIZES))
CLAIM_SECONDS = Histogram("perdure_claim_seconds", "Seconds that one claim took", buckets=SECONDS)

CONNECTIONS = Gauge(
    "perdure_connections",
    "Open connections of agents and watchers, by transport (websocket, sse, timeline)",
    ["transport"],
    multiprocess_mode="livesum",
)
DELIVERIES = Counter(
    "perdure_deliveries", "Deliveries handed to an agent, by kind (first, redelivery)", ["kind"]
)
DEAD_LETTERS = Counter("perdure_dead_letters", "Intents that failed because their delivery attempts ran out")
EVENTS = Counter(
    "perdure_events",
    "Intents submitted, handed over and ended, by the type of the event; the terminal ones count the ended intents",
    ["type"],
)
RINGS = Counter("perdure_rings", "Doorbell messages sent to the other processes")


def count_deliveries(leases: Collection[Lease]) -> None:
    """Count these as handed to their agents, all at once: a counter that processes share takes its time."""
    first = sum(lease.attempt == 1 and not lease.returns for lease in leases)
    DELIVERIES.labels("first").inc(first)
    DELIVERIES.labels("redelivery").inc(len(leases) - first)
