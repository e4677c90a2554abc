"""What can come of a call, one exception per outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any


class PerdureError(Exception):
    """Everything that this package raises of its own."""


class NotConfigured(PerdureError):
    """No API key was given, nor is one in the environment."""


class WaitTimedOut(PerdureError, TimeoutError):
    """The time to wait was over before the intent had ended. The intent goes on."""


class NotRecoverable(PerdureError):
    """A value cannot be saved by its codec, or what is saved cannot be read by it."""


class StepRepeated(PerdureError):
    """Two steps of one run have the same name: the second would be given the value of the first."""


class Fatal(PerdureError):
    """Raised by a handler that knows that trying again is of no use: the intent fails for good.

    `code` and `details` become part of the intent's error.
    """

    def __init__(self, message: str, *, code: str = "agent_failed", **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.details = details


# -- what became of an intent ---------------------------------------------------------------------------------------


class IntentUnsuccessful(PerdureError):
    """The intent has ended without a result; `intent` tells how."""

    def __init__(self, intent: Mapping[str, Any]) -> None:
        self.intent = intent
        error = intent.get("error")
        said = error.get("message") if isinstance(error, Mapping) else error
        why = said or intent.get("reason")
        super().__init__(
            f"intent {intent.get('intent_id')} {intent.get('status')}" + (f": {why}" if why else "")
        )


class IntentFailed(IntentUnsuccessful):
    """The intent has failed."""


class IntentCanceled(IntentUnsuccessful):
    """The intent was canceled."""


class IntentTimedOut(IntentUnsuccessful):
    """The intent's deadline passed."""


# -- what a server answers ------------------------------------------------------------------------------------------


class ApiError(PerdureError):
    """The server refused. `status` is that of HTTP, or 0 where there was none; `code` is the server's word for it."""

    def __init__(
        self,
        message: str = "",
        *,
        status: int = 0,
        code: str = "",
        details: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message or (type(self).__doc__ or "").partition("\n")[0])
        self.message = str(self)
        self.status = status
        self.code = code
        self.details: Mapping[str, Any] = details or {}
        #: the whole answer, where it was JSON
        self.body: Mapping[str, Any] = body or {}
        self.request_id = request_id


class BadRequest(ApiError):
    """The parameters contradict each other."""


class Unauthenticated(ApiError):
    """The API key is missing, unknown, expired or revoked."""


class Forbidden(ApiError):
    """The API key does not permit this."""


class AgentKilled(Forbidden):
    """An operator has stopped this agent."""


class NotFound(ApiError):
    """There is no such object, at least not for this key."""


class IntentNotFound(NotFound):
    """There is no such intent, at least not for this key."""


class AgentNotFound(NotFound):
    """There is no such agent, at least not for this key."""


class Conflict(ApiError):
    """The object is in a state that does not allow this."""


class LeaseLost(Conflict):
    """Another attempt has superseded this one; what it does is not recorded any more."""


class IntentEnded(Conflict):
    """The intent has ended already; nothing can change it any more."""


class IdempotencyConflict(Conflict):
    """The idempotency key was used for another request."""


class VersionConflict(Conflict):
    """Somebody else has changed the item since it was read."""

    @property
    def current_version(self) -> int | None:
        """The version that is there now; None if there is none."""
        version = self.details.get("current_version", self.body.get("current_version"))
        return version if isinstance(version, int) else None


class AlreadyExists(Conflict):
    """There is one of that name already."""


class PayloadTooLarge(ApiError):
    """It is larger than the server takes."""


class Invalid(ApiError):
    """A field has a value that it cannot have."""


class RateLimited(ApiError):
    """The key has used up what it may ask for now."""


class Unavailable(ApiError):
    """The server cannot be reached, or cannot answer now, and this did not change for as long as we were to try."""


class ServerError(ApiError):
    """The server made a mistake."""


class Canceled(IntentEnded):
    """The intent that is being worked on has ended by somebody else's hand: canceled, timed out, or resolved."""


class LeaseLostInTask(LeaseLost, asyncio.CancelledError):
    """`LeaseLost` as an asynchronous handler meets it, at the await where it was interrupted."""


class CanceledInTask(Canceled, asyncio.CancelledError):
    """`Canceled` as an asynchronous handler meets it, at the await where it was interrupted."""


_BY_CODE: dict[str, type[ApiError]] = {
    "agent_killed": AgentKilled,
    "agent_not_found": AgentNotFound,
    "intent_not_found": IntentNotFound,
    "lease_lost": LeaseLost,
    "intent_terminal": IntentEnded,
    "idempotency_conflict": IdempotencyConflict,
    "version_conflict": VersionConflict,
    "already_exists": AlreadyExists,
    "unavailable": Unavailable,
    "service_unavailable": Unavailable,
    "payload_too_large": PayloadTooLarge,
    "validation_error": Invalid,
    "forbidden": Forbidden,
    "not_found": NotFound,
}
_BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: PayloadTooLarge,
    422: Invalid,
    429: RateLimited,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def of_code(code: str, message: str, *, details: Mapping[str, Any] | None = None) -> ApiError:
    """The exception for an error that came in a frame, or beside others that went well."""
    return _BY_CODE.get(code, ApiError)(message, code=code, details=details)


def of_answer(
    status: int,
    body: Any,
    *,
    path: str = "",
    request_id: str | None = None,
    text: str = "",
) -> ApiError:
    """The exception for an answer that is not a success."""
    told = body if isinstance(body, Mapping) else {}
    error = told.get("error")
    if isinstance(error, Mapping):
        code, message = str(error.get("code") or ""), str(error.get("message") or "")
        details = error.get("details")
    else:
        code, message, details = "", str(error or told.get("detail") or text[:500]), None
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status) or (ServerError if status >= 500 else ApiError)
    if (
        kind is NotFound
        and path.startswith("/v1/intents/")
        and path.count("/") <= 4
        and "checkpoint" not in message
    ):
        kind = IntentNotFound
    return kind(
        message or f"the server answered {status}",
        status=status,
        code=code,
        details=details if isinstance(details, Mapping) else None,
        body=told,
        request_id=request_id,
    )
