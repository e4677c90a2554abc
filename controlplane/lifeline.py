"""What a child knows of its supervisor: when to begin, and that it is gone.

Both are told by the end of a pipe, of which the supervisor holds the writing end and each child reads the other. The
kernel closes it when the supervisor is gone, even by SIGKILL. (PR_SET_PDEATHSIG would tell only on Linux, and also
when merely the thread ends that started the child.)
"""

from __future__ import annotations

import os
import signal
import threading

VARIABLE = "PERDURE_LIFELINE"


class Lifeline:
    """The supervisor's end. Children get `descriptors` among their `pass_fds` and `environment` in theirs."""

    def __init__(self) -> None:
        life, self._life = os.pipe()
        gate, self._gate = os.pipe()
        self.descriptors = (life, gate)

    @property
    def environment(self) -> dict[str, str]:
        return {VARIABLE: ",".join(map(str, self.descriptors))}

    def open_gate(self) -> None:
        """Let the children begin, those to come too. Until then they only load what they need."""
        os.close(self._gate)


class Hold:
    """The child's end."""

    def __init__(self, gate: int | None = None) -> None:
        self._gate = gate

    def wait_at_gate(self) -> None:
        """Return when the supervisor has opened it; at once without a supervisor."""
        if self._gate is not None:
            os.read(self._gate, 1)


def hold() -> Hold:
    """Stop this process, as SIGTERM would, when its supervisor is gone. Without one there is nothing to hold."""
    if not (descriptors := os.environ.pop(VARIABLE, "")):
        return Hold()
    life, gate = map(int, descriptors.split(","))
    threading.Thread(target=_stop_after, args=[life], name="lifeline", daemon=True).start()
    return Hold(gate)


def _stop_after(life: int) -> None:
    os.read(life, 1)
    os.kill(os.getpid(), signal.SIGTERM)
