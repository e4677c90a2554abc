"""What the nemesis can do, each fault a function by name."""

from tests.chaos.faults import clients, dying, network, processes, races, readers, servers, storms
from tests.chaos.faults.registry import FAULTS, Fault, NotHere

__all__ = [
    "FAULTS",
    "Fault",
    "NotHere",
    "clients",
    "dying",
    "network",
    "processes",
    "races",
    "readers",
    "servers",
    "storms",
]
