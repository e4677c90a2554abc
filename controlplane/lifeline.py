"""A child's knowledge of its supervisor: when that dies, however it dies, the child stops too.

The supervisor holds the writing end of a pipe and each child reads the other: the kernel closes it when the
supervisor is gone, even by SIGKILL. (PR_SET_PDEATHSIG would tell only on Linux, and also when merely the thread ends
that started the child.)
"""

import os
import signal
import threading

VARIABLE = "PERDURE_LIFELINE"


class Lifeline:
    """The supervisor's end. Children get `reader` among their `pass_fds` and `environment` in theirs."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()

    @property
    def environment(self) -> dict[str, str]:
        return {VARIABLE: str(self.reader)}


def hold() -> None:
    """Stop this process, as SIGTERM would, when its supervisor is gone. Does nothing without one."""
    if descriptor := os.environ.pop(VARIABLE, ""):
        threading.Thread(target=_wait, args=[int(descriptor)], name="lifeline", daemon=True).start()


def _wait(descriptor: int) -> None:
    os.read(descriptor, 1)
    os.kill(os.getpid(), signal.SIGTERM)
