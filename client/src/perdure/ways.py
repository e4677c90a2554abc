"""What a way to the server is, whichever it goes: a websocket, or where that is blocked a stream and requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from perdure import errors

#: How long the server may take for its half of a greeting.
GREETING_SECONDS = 10.0
#: What a welcome must have; what else it has is for one way or the other.
Welcome = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ended:
    """Why a connection ended, or did not come about."""

    why: str
    #: nothing is wrong: it is to be opened anew at once
    is_orderly: bool = False
    #: it never came to a welcome, and something between us and the server may be the cause
    may_be_blocked: bool = False
    #: what to raise if the server says the same where nothing is between
    refusal: errors.ApiError | None = None


class Listener(Protocol):
    """Who is told what a way hears."""

    def came_up(self, welcome: Welcome) -> None:
        """There is a connection."""

    def went_down(self) -> None:
        """There is none any more."""

    def hear(self, frame: dict[str, Any]) -> None:
        """Something was said, in the words of the websocket."""


class Way(Protocol):
    """A way to speak with the server, and to be spoken to."""

    #: whether many small things are best said in frames; and whether one heartbeat renews all leases
    has_frames: bool

    async def connection(self) -> Ended:
        """One connection from its beginning to its end, and why it ended.

        Raises:
            errors.ApiError: coming again would change nothing.
        """

    async def ask(self, verb: str, item: dict[str, Any], **shared: Any) -> dict[str, Any]:
        """What the server answers to one item: see `Link.ask`."""

    async def tell(self, frame: dict[str, Any]) -> None:
        """Say what wants no answer, if there is a connection."""

    async def close(self) -> None:
        """Leave for good."""


Heard = Callable[[dict[str, Any]], None]
