"""What can be chosen on the command line."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from bench.peers.catalogue import PEERS

#: Every figure, in the order in which they are measured.
FIGURES = (
    "ceiling",
    "websocket_batched",
    "websocket_single",
    "http",
    "http_batch",
    "websocket_backlog",
    "latency_websocket",
    "latency_sse",
    "latency_axme",
    "latency_loaded",
    "redelivery_axme",
    "redelivery_websocket",
    "checkpoints",
    "client",
    "retention",
    "idle_sse",
    "idle_websocket",
    "size",
    "dashboard_visible",
    "dashboard_list",
    "dashboard_intent",
    *(f"peer_{entry.name}" for entry in PEERS),
)
#: What has to be chosen, for it takes long.
LARGE, BESIDE = ("size", "dashboard_list"), tuple(f"peer_{entry.name}" for entry in PEERS)
USUAL = tuple(name for name in FIGURES if name not in BESIDE)
THROUGHPUT = ("websocket_batched", "websocket_single", "http", "http_batch")
#: What of ours the peers are compared with.
COMPARED = ("ceiling", *THROUGHPUT, "latency_websocket", "checkpoints", "client")


@dataclass(frozen=True, slots=True)
class Options:
    """How long and how often to measure, and what."""

    only: frozenset[str]
    seconds: int
    rounds: int
    json: Path | None
    write: bool
    cpu: bool
    large: int
    web_processes: int
    frame: int
    window: int
    backlog: int
    connections: int
    kills: int
    streams: int

    def wants(self, name: str) -> bool:
        return name in self.only


def parse() -> Options:
    """What the command line says; a name that is no figure ends the program."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure a Perdure of its own.")
    parser.add_argument("--only", default="", metavar="NAME,…", help=f"of {', '.join(FIGURES)}")
    parser.add_argument("--seconds", type=int, default=4, help="of one throughput run (4)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of which the median counts (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument(
        "--write", action="store_true",
        help="write the tables of docs/performance.md and README.md, if all that they show was measured",
    )  # fmt: skip
    parser.add_argument("--cpu", action="store_true", help="print where the processor time of each run went")
    parser.add_argument(
        "--large", type=int, nargs="?", const=1_000_000, default=0, metavar="INTENTS",
        help="measure with so many finished intents in the tables too (1,000,000)",
    )  # fmt: skip
    parser.add_argument("--web-processes", type=int, default=1, help="of the Perdure that is measured (1)")
    parser.add_argument("--frame", type=int, default=100, help="intents in a batched frame (100)")
    parser.add_argument("--window", type=int, default=4000, help="intents in flight over a websocket (4000)")
    parser.add_argument(
        "--backlog", type=int, default=0, metavar="INTENTS",
        help="that wait for others in websocket_backlog (100,000, or as many as --large says)",
    )  # fmt: skip
    parser.add_argument("--connections", type=int, default=32, help="HTTP connections of each side (32)")
    parser.add_argument("--kills", type=int, default=50, help="of an agent process (50)")
    parser.add_argument("--streams", type=int, default=2000, help="idle agents (2000)")
    parser.add_argument(
        "--peers", nargs="?", const="all", default="", metavar="NAME,…",
        help=f"measure these beside what of ours they compare with: {', '.join(entry.name for entry in PEERS)}",
    )  # fmt: skip
    found = parser.parse_args()
    names = [name.strip() for name in found.only.split(",") if name.strip()]
    peers = [f"peer_{name.strip()}" for name in vars(found).pop("peers").split(",") if name.strip()]
    if peers:
        names = (names or [*COMPARED]) + ([*BESIDE] if peers == ["peer_all"] else peers)
    if unknown := [name for name in names if name not in FIGURES]:
        parser.error(f"no such figure: {', '.join(unknown)}; there are {', '.join(FIGURES)}")
    if set(LARGE) & set(names):
        found.large = found.large or 1_000_000
    found.backlog = found.backlog or found.large or 100_000
    usual = [name for name in USUAL if name not in LARGE or found.large]
    return Options(**{**vars(found), "only": frozenset(names or usual)})
