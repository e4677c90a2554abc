"""What the domain announces, always after the commit: look again at these."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from django.dispatch import Signal

from intents.telemetry import DEAD_LETTERS, EVENTS


@dataclass
class Changes:
    """What a committed change concerns. It says where to look, never what is there."""

    #: agents for whom something became due
    agents: set[int] = field(default_factory=set)
    #: intents whose timelines grew
    intents: set[UUID] = field(default_factory=set)
    #: those of them that ended
    ended: set[UUID] = field(default_factory=set)
    #: API keys that may have been revoked
    keys: set[str] = field(default_factory=set)
    #: agents that were killed or resumed
    switched: set[int] = field(default_factory=set)
    #: how many events of each type were recorded; for this process's figures, nobody is told
    events: Counter[str] = field(default_factory=Counter, compare=False)
    dead_letters: int = field(default=0, compare=False)

    def __bool__(self) -> bool:
        return bool(self.agents or self.intents or self.ended or self.keys or self.switched)

    def add(self, others: Changes) -> None:
        """Concern all that the others concern as well."""
        self.agents |= others.agents
        self.intents |= others.intents
        self.ended |= others.ended
        self.keys |= others.keys
        self.switched |= others.switched


#: sent with `changes: Changes`
changed = Signal(use_caching=True)


def announce(changes: Changes) -> None:
    """Tell whoever listens in this process. A listener that fails must not undo what is committed."""
    for kind, number in changes.events.items():
        EVENTS.labels(kind).inc(number)
    if changes.dead_letters:
        DEAD_LETTERS.inc(changes.dead_letters)
    if changes:
        changed.send_robust(sender=Changes, changes=changes)
