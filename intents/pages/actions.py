"""What a person can do to an intent as it stands, and what will happen then, said before it does."""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

from intents.blocking import Obstacle
from intents.dossier import Dossier


@dataclass(frozen=True, slots=True)
class Action:
    """A form: its button, where it posts to, and its consequence."""

    name: str
    label: str
    #: on the button that does it
    does: str
    url_name: str
    #: the key that opens it
    key: str
    consequences: tuple[str, ...]
    #: whether a reason is asked for, and has to be given
    asks_reason: bool = False
    needs_reason: bool = False
    is_danger: bool = False
    checkpoints: int = 0
    takes_payload: bool = False


def of(found: Dossier) -> list[Action]:
    """The actions that make sense now."""
    if not found.is_open:
        return [_retry(found)] if _is_retryable(found) else []
    offered = [_cancel(found)]
    if (redelivery := _redeliver(found)) is not None:
        offered.insert(0, redelivery)
    return offered


def version(offered: list[Action]) -> str:
    """Changes when other actions are offered, or would do something else."""
    # Of the text itself: `hash` says something else in every process.
    return ",".join(f"{each.name}:{crc32(repr(each.consequences).encode()):x}" for each in offered) or "none"


def _is_retryable(found: Dossier) -> bool:
    return not (found.row["scenario_id"] is not None and found.row["parent_id"] is None)


def _retry(found: Dossier) -> Action:
    return Action(
        "retry",
        "Retry…",
        "Retry",
        "intents:retries",
        "r",
        (
            f"A new intent with the same content and correlation id is submitted to {found.row['to_agent']}.",
            "This one stays as it ended, and will name the new one.",
        ),
        checkpoints=found.row["checkpoints"],
        takes_payload=found.row["payload"] is not None,
    )


def _cancel(found: Dossier) -> Action:
    if found.is_held:
        first = (
            f"Attempt {found.row['attempt']}, which {found.standing.agent} is working on, is cut off: "
            "its result will be refused."
        )
    elif found.row["current_step"] is not None:
        first = "The step that is under way is canceled with it, and no further one begins."
    else:
        first = "It is withdrawn from its agent's queue."
    return Action(
        "cancel",
        "Cancel…",
        "Cancel the intent",
        "intents:cancellation",
        "c",
        (first, "A canceled intent stays canceled; to have it done after all, retry it as a new one."),
        asks_reason=True,
        needs_reason=True,
        is_danger=True,
    )


def _redeliver(found: Dossier) -> Action | None:
    blocking = found.blocking
    if blocking is None or found.row["delivery_attempt"] is None:
        return None
    attempt, maximum = found.row["delivery_attempt"], found.row["max_attempts"]
    if attempt >= maximum:
        return None
    which = f"attempt {attempt + 1} of {maximum}" + (", the last," if attempt + 1 == maximum else "")
    said: tuple[str, ...]
    if blocking.code is Obstacle.HELD:
        saved = found.row["checkpoints"]
        kept = f" and goes on from {saved} checkpoint{'s' if saved != 1 else ''}" if saved else ""
        said = (
            f"{found.standing.agent}, which works on it now, loses it: what it answers will be refused.",
            f"{which[0].upper()}{which[1:]} begins at once{kept}.",
        )
    elif blocking.code is Obstacle.SCHEDULED:
        said = (f"{which[0].upper()}{which[1:]} is due now, instead of later.",)
    else:
        return None  # it is due already: nothing would change
    return Action(
        "redeliver",
        "Redeliver now…",
        "Redeliver now",
        "intents:redelivery",
        "d",
        said,
        asks_reason=blocking.code is Obstacle.HELD,
        is_danger=blocking.code is Obstacle.HELD,
    )
