"""What any exception means to the user of a command: a sentence, an exit code, and what to do."""

from __future__ import annotations

from typing import Any

from perdure.cli.exits import CliError, Exit

LOGIN_HINT = "Run `perdure login`, or check PERDURE_API_KEY; `perdure doctor` tells more."
REACH_HINT = "Is the server running, and is this its address? `perdure doctor` tells more."


def explain(error: Exception) -> CliError:
    """The error in words for its user. What nobody foresaw is a mistake of this program."""
    if isinstance(error, CliError):
        return error
    from perdure import errors

    if isinstance(error, errors.ApiError):
        return _refusal(error)
    if isinstance(error, errors.NotConfigured):
        return CliError(str(error), Exit.DENIED, code="not_logged_in", hint=LOGIN_HINT)
    return CliError(
        f"this is a mistake in perdure: {type(error).__name__}: {error}",
        Exit.BROKEN,
        code="internal_error",
        hint="Set PERDURE_DEBUG=1 to see where it happened.",
    )


def _refusal(error: Any) -> CliError:
    from perdure import errors

    meanings: tuple[tuple[type[Exception], Exit, str], ...] = (
        (errors.Unauthenticated, Exit.DENIED, LOGIN_HINT),
        (errors.Forbidden, Exit.DENIED, "`perdure whoami` shows what this key may do."),
        (errors.NotFound, Exit.NOT_FOUND, ""),
        (errors.Conflict, Exit.CONFLICT, ""),
        (errors.BadRequest, Exit.USAGE, ""),
        (errors.Invalid, Exit.USAGE, ""),
        (errors.PayloadTooLarge, Exit.USAGE, ""),
        (errors.RateLimited, Exit.UNREACHABLE, "Try again in a little while."),
        (errors.Unavailable, Exit.UNREACHABLE, REACH_HINT),
    )
    exit_code, hint = next(
        ((exit_code, hint) for kind, exit_code, hint in meanings if isinstance(error, kind)),
        (Exit.BROKEN, "The server's log tells more."),
    )
    return CliError(
        error.message,
        exit_code,
        code=error.code or exit_code.name.lower(),
        hint=hint,
        status=error.status or None,
        details=dict(error.details),
    )
