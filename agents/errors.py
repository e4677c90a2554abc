"""What can go wrong, as the domain says it: one exception per outcome.

The edges turn them into answers in one place. Nothing here knows HTTP beyond the number.
"""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """The request cannot be done as asked, and here is why."""

    status = 500
    code = "internal_error"
    message = "something went wrong"

    def __init__(
        self,
        message: str = "",
        *,
        code: str = "",
        details: dict[str, Any] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        self.message = message or type(self).message
        self.code = code or type(self).code
        self.details = details or {}
        #: merged into the top level of the answer
        self.extra = extra or {}
        super().__init__(self.message)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code}: {self.message})"


class BadRequest(ApiError):
    """The parameters contradict each other."""

    status = 400
    code = "bad_request"
    message = "bad request"


class Unauthenticated(ApiError):
    """Nobody we know sent this."""

    status = 401
    code = "invalid_platform_api_key"
    message = "authentication failed"


class Forbidden(ApiError):
    """The caller is known, and may not do this."""

    status = 403
    code = "forbidden"
    message = "the API key does not permit this"


class AgentKilled(Forbidden):
    """The kill switch is set: nothing goes to this agent or comes from it until somebody resumes it."""

    code = "agent_killed"
    message = "the agent is killed"


class ActionDenied(Forbidden):
    """A policy of the sender or of the recipient does not let intents of this type pass."""

    code = "action_denied"
    message = "the policy does not let this intent pass"


class NotFound(ApiError):
    """There is no such object, at least not for this caller."""

    status = 404
    code = "not_found"
    message = "not found"


class AgentNotFound(ApiError):
    """There is no such agent, at least not for this caller."""

    status = 404
    code = "agent_not_found"
    message = "agent not found"


class Conflict(ApiError):
    """The object is in a state that does not allow this."""

    status = 409
    code = "conflict"
    message = "the request conflicts with the current state"


class AlreadyExists(Conflict):
    """There is one of that name already."""

    code = "already_exists"
    message = "already exists"


class PayloadTooLarge(ApiError):
    """The body is larger than what is accepted here."""

    status = 413
    code = "payload_too_large"
    message = "the request body is too large"


class Invalid(ApiError):
    """A field has a value that it cannot have."""

    status = 422
    code = "validation_error"
    message = "the request is not valid"


class InvalidAgentAddress(ApiError):
    """The text cannot be the address of an agent."""

    status = 422
    code = "invalid_agent_address"
    message = "not a valid agent address"


class QuotaExceeded(ApiError):
    """A limit of the sender's or the recipient's policy is used up, until the time that `reset_at` says.

    Without `Retry-After`: no client should sleep through a day.
    """

    status = 429
    code = "quota_exceeded"
    message = "the quota is used up"


class RateLimited(ApiError):
    """The key has used up what it may ask of this endpoint for now."""

    status = 429
    code = "rate_limit_exceeded"
    message = "rate limit exceeded"

    def __init__(
        self,
        message: str = "",
        *,
        retry_after: int = 1,
        code: str = "",
        details: dict[str, Any] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, code=code, details=details, extra=extra)
        #: whole seconds until it is worth trying again
        self.retry_after = retry_after


class Unavailable(ApiError):
    """It cannot be done here and now, and will be a moment later, or by another process."""

    status = 503
    code = "unavailable"
    message = "the service is temporarily unavailable, try again in a second"
