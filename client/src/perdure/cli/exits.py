"""How a command ends: the exit codes, documented in docs/cli.md, and the one error that carries them."""

from __future__ import annotations

from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    """What the shell is told. Scripts rely on these numbers: they are only ever added to."""

    OK = 0
    #: It was done, and what came out is a failure: the intent failed, the scenario is not valid.
    FAILED = 1
    #: It was asked wrongly: an unknown option, a file that cannot be read, a value the server refuses.
    USAGE = 2
    #: There is no key, the key is not valid, or it may not do this.
    DENIED = 3
    NOT_FOUND = 4
    #: What it is about is in a state that does not allow this.
    CONFLICT = 5
    #: The server cannot be reached, or cannot answer just now.
    UNREACHABLE = 6
    #: The server does not know this yet: it is older than this command.
    UNSUPPORTED = 7
    #: The server or this program has made a mistake.
    BROKEN = 8
    #: What was waited for did not happen in the time given.
    TIMED_OUT = 9
    INTERRUPTED = 130


class CliError(Exception):
    """The command cannot be done, in words for its user. Never shown as a traceback."""

    def __init__(
        self,
        message: str,
        exit_code: Exit,
        *,
        code: str = "",
        hint: str = "",
        status: int | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code
        #: for scripts; the server's own where it was the server that refused
        self.code = code or exit_code.name.lower()
        #: what to do about it, if that can be said
        self.hint = hint
        #: of the HTTP answer, if there was one
        self.status = status
        self.details = details or {}

    def document(self) -> dict[str, Any]:
        """As `--json` shows it."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.hint:
            error["hint"] = self.hint
        if self.status is not None:
            error["status"] = self.status
        if self.details:
            error["details"] = self.details
        return {"ok": False, "error": error, "exit_code": int(self.exit_code)}


class UsageProblem(CliError):
    """It was asked wrongly."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, Exit.USAGE, hint=hint)
