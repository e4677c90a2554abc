"""Starts a web or worker process that can be asked for its tasks, maybe with something wrong in it on purpose.

The product itself has no such switch.

    python -m tests.chaos.launch web

`CHAOS_FAILPOINT=after-submit:37` kills the process with SIGKILL when it comes to that point for the 37th time: `before`
and `after` a statement of the ledger, on the pool of a web process or on a worker's connection; `after` is after the
commit and before anybody is answered, `before` may be in the middle of a transaction. It dies nowhere else, and writes
down where it did.
`CHAOS_MUTATION` breaks a promise (see mutations.py), so that the checker can show that it notices.
"""

from __future__ import annotations

import os
import signal
import sys
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any

from tests.chaos import census

DIED = "died at "
#: Statements of the ledger around which a web process may die.
STATEMENTS = (
    "submit",
    "inherit",
    "claim",
    "take_over",
    "acknowledge",
    "checkpoint",
    "extend",
    "release",
    "wake",
    "interrupt",
    "finish",
)
#: Those around which a worker may die that looks for what is due, and fires it.
SWEPT = ("sweep", "due_timers", "finish")
FAILPOINTS = tuple(f"{when}-{name}" for name in (*STATEMENTS, *SWEPT) for when in ("before", "after"))


def arm(spec: str) -> None:
    """Die at the failpoint, the so-many-th time.

    Raises:
        SystemExit: these are production's settings, or there is no such failpoint.
    """
    point, _, times = spec.partition(":")
    if point not in FAILPOINTS:
        raise SystemExit(f"There is no failpoint {point!r}.")
    from django.db import transaction

    from intents import coalescer, ledger

    execute, commit = coalescer._execute, coalescer._attempt
    execute_now = ledger._execute
    #: the statements of a task's transaction
    awaited: ContextVar[list[str]] = ContextVar("awaited")
    left = int(times or 1)

    def reach(where: str) -> None:
        nonlocal left
        left -= where == point
        if left <= 0:
            os.write(sys.stderr.fileno(), f"{DIED}{where}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    async def mortal(connection: Any, statement: Any) -> Any:
        reach(f"before-{statement[0]}")
        awaited.get().append(statement[0])
        return await execute(connection, statement)

    async def mortal_commit(steps: Any) -> Any:
        names: list[str] = []
        awaited.set(names)
        answer = await commit(steps)
        for name in names:
            reach(f"after-{name}")
        return answer

    def mortal_now(statement: Any) -> Any:
        reach(f"before-{statement[0]}")
        rows = execute_now(statement)
        # Also when the transaction is the caller's. This comes before what the ledger announces then.
        transaction.on_commit(partial(reach, f"after-{statement[0]}"))
        return rows

    coalescer._execute, coalescer._attempt = mortal, mortal_commit
    ledger._execute = mortal_now


def main() -> None:
    part = sys.argv.pop(1)
    settings = os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings.development")
    if settings.endswith("production"):
        raise SystemExit("Nobody breaks production on purpose.")
    import django

    django.setup()
    if path := os.environ.get("CHAOS_CENSUS"):
        census.answer(Path(path))
    if failpoint := os.environ.get("CHAOS_FAILPOINT"):
        arm(failpoint)
    if mutation := os.environ.get("CHAOS_MUTATION"):
        from tests.chaos.mutations import apply

        apply(mutation)
    from controlplane import web, worker

    {"web": web.main, "worker": worker.main}[part]()


if __name__ == "__main__":
    main()
