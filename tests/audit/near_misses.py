"""Frames that an agent could have sent, about deliveries that it holds right now, with one thing changed in each."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any
from uuid import UUID

from tests.live import Account, intent

#: what changes a field; given the frame's own value, and one of somebody else's, says what stands there instead
Change = Callable[[Any, Any], Any]
MISSING = object()
#: where frames about deliveries may name several
SEVERAL = {
    "acknowledge": "deliveries",
    "complete": "deliveries",
    "fail": "deliveries",
    "release": "deliveries",
    "extend": "deliveries",
    "checkpoint": "items",
    "report": "items",
}
NAMING = frozenset({"type", "ref", "intent_id", "lease", *SEVERAL.values()})
NEAR: tuple[Change, ...] = (
    lambda own, other: MISSING,
    lambda own, other: None,
    lambda own, other: [own],
    lambda own, other: {"value": own},
    lambda own, other: str(own) + "\u0000",
    lambda own, other: f"{own}é"[:5000],
    lambda own, other: str(own).upper(),
    lambda own, other: other,
    lambda own, other: not own,
    lambda own, other: own,  # nothing, for once
    lambda own, other: -own if isinstance(own, int | float) else 10**30,
)


class NearMisses:
    """Makes up what an agent says about what it holds, and changes one field of it."""

    def __init__(self, source: random.Random, worker: Account, anything: Callable[[], Any]) -> None:
        self.random = source
        self.worker = worker
        self.anything = anything
        #: intent → its lease: what the connection holds
        self.held: dict[str, str] = {}

    def frame(self) -> str:
        """A frame as it should be, but for one field."""
        message = self.message()
        parts = [
            each
            for name in ("deliveries", "items", "intents")
            for each in message.get(name, ())
            if isinstance(each, dict)
        ]
        place = self.one(parts) if parts and self.random.random() < 0.8 else message
        names = sorted(place)
        if self.random.random() < 0.6:  # rather what is said than about what: that is what gets further
            names = [name for name in names if name not in NAMING] or names
        name = self.one(names)
        if (changed := self._instead_of(name, place[name])) is MISSING:
            del place[name]
        else:
            place[name] = changed
        return json.dumps(message)

    def _instead_of(self, name: str, own: Any) -> Any:
        """What stands in a field in place of what belongs there."""
        other = self._delivery()
        chance = self.random.random()
        if name in other and chance < 0.7:  # well-formed, and another's or nobody's
            return self.one([*other.values(), str(UUID(int=self.random.getrandbits(128)))])
        if chance < 0.8:
            return self.one(NEAR)(own, self.one(list(other.values())))
        return self.anything()

    def message(self) -> dict[str, Any]:
        """A frame that is right."""
        # Most that end a delivery would leave nothing to talk about.
        kinds = ["acknowledge", "extend", "checkpoint", "report"] * 3 + ["complete", "fail", "release"]
        kind = self.one([*kinds, "submit", "watch", "heartbeat", "hello"])
        head = {"type": kind, "ref": f"live {self.random.randrange(99)}"}
        match kind:
            case "hello":
                return {**head, "address": self.worker.address, "max_in_flight": 50, "client": "audit"}
            case "submit":
                return {**head, "intents": [intent(self.worker, {"a": 1}) for _ in range(2)], "watch": True}
            case "watch":
                return {**head, "intents": [self._delivery()["intent_id"]]}
            case "heartbeat":
                return dict(head)
        if self.random.random() < 0.5:
            return {**head, **self._about(kind)}
        return {**head, SEVERAL[kind]: [self._about(kind) for _ in range(2)]}

    def one(self, choices: Any) -> Any:
        """One of them; the same amount of chance is used up whatever there is to choose from."""
        return choices[int(self.random.random() * len(choices))]

    def _about(self, kind: str) -> dict[str, Any]:
        """What a frame of this kind says of one delivery."""
        more: dict[str, dict[str, Any]] = {
            "complete": {"result": {"rows": 3}},
            "fail": {"error": {"code": "broken", "message": "no"}, "retryable": True},
            "release": {"delay": 0},
            "checkpoint": {
                "step": f"step-{self.random.randrange(9)}",
                "value": {"rows": 3},
                "content_type": "application/json",
            },
            "report": {"cost_usd": 0.5, "tokens": 3, "model": "small"},
        }
        return {**self._delivery(), **copy.deepcopy(more.get(kind, {}))}

    def _delivery(self) -> dict[str, Any]:
        """One that is held."""
        chosen = self.one(sorted(self.held) or [""])
        return {"intent_id": chosen, "lease": self.held.get(chosen, "")}
