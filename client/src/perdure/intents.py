"""What can be asked of the intents of a server."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from perdure import errors, plans
from perdure.plans import STREAM_SILENCE, Emit, Plan, Request, Stream
from perdure.records import TERMINAL, Event, Intent, batch_of
from perdure.runners import Bound, R_co, operation, streaming
from perdure.sse import ServerEvent

#: How many intents one request may carry, and about how many bytes.
LARGEST_BATCH, LARGEST_BATCH_BYTES = 500, 6 * 1024 * 1024
#: How long one answer of the event stream lasts.
WAIT_SECONDS = 30


def path_of(intent_id: object, *rest: str) -> str:
    """The path of an intent, or of something below it."""
    return "/".join(["/v1/intents", plans.segment(intent_id), *rest])


class Intents(Bound[R_co]):
    """Submit, read, await and steer intents."""

    def _ask(self, method: str, path: str, **options: Any) -> Plan[dict[str, Any]]:
        return plans.json_of(plans.request(method, path, **options), self._policy)

    @operation
    def submit(
        self,
        /,
        intent_type: str,
        to_agent: str,
        payload: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
        correlation_id: str | uuid.UUID | None = None,
        traceparent: str | None = None,
        ttl_seconds: int | None = None,
        deadline_at: datetime | str | None = None,
        max_delivery_attempts: int | None = None,
        reply_to: str | None = None,
        **fields: Any,
    ) -> Plan[Intent]:
        """Submit an intent. When this returns, the intent is on disk, once, however often it had to be sent.

        To be sure also across restarts of your own process, name the request by an `idempotency_key`: the same
        submission under the same key returns the intent of the first time. `traceparent` (W3C Trace Context) goes to
        the agent. Other fields are kept with the intent.

        Raises:
            errors.IdempotencyConflict: the key stands for another submission.
            errors.Invalid, errors.PayloadTooLarge: the server does not take it.
        """
        asked = {
            "traceparent": traceparent,
            "correlation_id": correlation_id,
            "ttl_seconds": ttl_seconds,
            "deadline_at": deadline_at,
            "max_delivery_attempts": max_delivery_attempts,
            "reply_to": reply_to,
        }
        body = {
            "intent_type": intent_type,
            "to_agent": to_agent,
            "payload": payload or {},
            **{name: value for name, value in asked.items() if value is not None},
            **fields,
        }
        return Intent(
            (yield from self._ask("POST", "/v1/intents", json=body, idempotency_key=idempotency_key))
        )

    @operation
    def submit_many(self, intents: Iterable[Mapping[str, Any]]) -> Plan[list[Intent | errors.ApiError]]:
        """Submit any number of intents, each a dictionary with the fields that `submit` takes.

        One that is bad fails alone: the answer has, in the order given, an `Intent` or the error for each. An
        `idempotency_key` in an intent names it across restarts; those without get one.
        """
        results: list[Intent | errors.ApiError] = []
        for batch in _batches(
            {"idempotency_key": uuid.uuid4().hex, "payload": {}, **each} for each in intents
        ):
            # Each intent has its own key: one for the batch is not needed.
            body = yield from self._ask(
                "POST", "/v1/intents/batch", json={"intents": batch}, idempotency_key=False
            )
            results += batch_of(body)
        return results

    @operation
    def get(self, intent_id: object) -> Plan[Intent]:
        """Read an intent.

        Raises:
            errors.IntentNotFound: there is none, or it is none of ours.
        """
        body = yield from self._ask("GET", path_of(intent_id))
        return Intent(body["intent"])

    @operation
    def wait(self, intent_id: object, *, timeout: float | None = None) -> Plan[Intent]:
        """The intent, once it has ended, whichever way: `.outcome()` is its result, or raises what happened.

        Outages of the server are survived, each for as long as the client is patient. Where a proxy holds event
        streams back, this becomes a long poll by itself.

        Raises:
            errors.WaitTimedOut: `timeout` seconds were over first.
        """
        deadline = None if timeout is None else self._policy.clock() + timeout
        stream = _events(self._policy, str(intent_id), 0, deadline)
        ended = yield from plans.first(stream, _is_last)
        if ended is None:
            raise errors.WaitTimedOut(f"intent {intent_id} had not ended after {timeout} s")
        body = yield from self._ask("GET", path_of(intent_id))
        return Intent(body["intent"])

    @streaming(Event)
    def events(
        self, intent_id: object, *, since: int = 0, follow: bool = True, timeout: float | None = None
    ) -> Stream:
        """Each event after number `since`, then each new one as it happens, until the intent has ended.

        A connection that breaks is taken up again where it ended: no event is missed, none comes twice. Without
        `follow` it ends with what has happened so far; with `timeout`, after so many seconds.
        """
        if follow:
            deadline = None if timeout is None else self._policy.clock() + timeout
            yield from _events(self._policy, str(intent_id), since, deadline)
            return
        body = yield from self._ask("GET", path_of(intent_id, "events"), params={"since": since})
        for event in body["events"]:
            yield Emit(Event(event))

    @streaming(Intent)
    def list(
        self,
        *,
        status: str | None = None,
        to_agent: str | None = None,
        intent_type: str | None = None,
        correlation_id: object | None = None,
        workspace_id: object | None = None,
        limit: int | None = None,
    ) -> Stream:
        """The intents of the workspace, newest first, read page by page; at most `limit` of them.

        `status` is one or several statuses, separated by commas, or `pending` for all that have not ended.
        """
        left = limit if limit is not None else -1
        params = {
            "status": status,
            "to_agent": to_agent,
            "intent_type": intent_type,
            "correlation_id": correlation_id,
            "workspace_id": workspace_id,
        }
        cursor = None
        while left:
            page = {"limit": min(left, 100) if left > 0 else 100, "cursor": cursor}
            body = yield from self._ask("GET", "/v1/intents", params=params | page)
            for intent in body["intents"]:
                yield Emit(Intent(intent))
                left -= 1
                if not left:
                    return
            if (cursor := body.get("next_cursor")) is None:
                return

    @operation
    def cancel(self, intent_id: object, *, reason: str = "") -> Plan[Intent]:
        """Withdraw an intent. Whoever works on it is told.

        Raises:
            errors.IntentEnded: it has ended already.
        """
        body = yield from self._ask(
            "POST", path_of(intent_id, "resolve"), json={"status": "CANCELED", "reason": reason}
        )
        return Intent(body["intent"])

    @operation
    def resolve(
        self,
        intent_id: object,
        *,
        status: str = "COMPLETED",
        result: Any = None,
        error: Mapping[str, Any] | None = None,
        reason: str | None = None,
    ) -> Plan[Intent]:
        """End an intent by hand: `COMPLETED` with a result, `FAILED` with an error, or `CANCELED` with a reason."""
        said = {"status": status, "result": result, "error": error, "reason": reason}
        body = yield from self._ask(
            "POST",
            path_of(intent_id, "resolve"),
            json={name: value for name, value in said.items() if value is not None},
        )
        return Intent(body["intent"])

    @operation
    def retry(
        self,
        intent_id: object,
        *,
        checkpoints: bool = True,
        payload: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Plan[Intent]:
        """A new intent, made from one that has ended. Steps that were done stay done, unless `checkpoints` is False."""
        body: dict[str, Any] = {} if checkpoints else {"checkpoints": False}
        if payload is not None:
            body["payload"] = payload
        answer = yield from self._ask(
            "POST", path_of(intent_id, "retry"), json=body, idempotency_key=idempotency_key
        )
        return Intent(answer)

    @operation
    def redeliver(self, intent_id: object) -> Plan[None]:
        """Take an open intent from whoever has it, and deliver it again now.

        Raises:
            errors.IntentEnded: it has ended.
        """
        yield from self._ask("POST", path_of(intent_id, "redeliver"), json={})


def _events(policy: plans.Policy, intent_id: str, since: int, deadline: float | None) -> Stream:
    """Emit an intent's events, the terminal one last; ends before only when the deadline has passed."""
    last = since

    def asked() -> Request:
        wait = WAIT_SECONDS
        if deadline is not None:
            wait = max(1, min(wait, int(deadline - policy.clock()) + 1))
        return Request(
            "GET",
            path_of(intent_id, "events", "stream"),
            {"since": str(last), "wait_seconds": str(wait)},
            {"accept": "text/event-stream"},
            timeout=STREAM_SILENCE,
        )

    def tell(said: ServerEvent) -> Plan[bool]:
        nonlocal last
        if said.name == "stream.timeout" and last == since:
            # Nothing may ever follow: ask, so as not to wait for it.
            body = yield from plans.json_of(plans.request("GET", path_of(intent_id)), policy)
            intent = body["intent"]
            return intent["status"] in TERMINAL and int(intent.get("last_seq", since)) <= since
        event = Event(said.json())
        if not said.name.startswith("intent.") or event.seq <= last:
            return False
        last = event.seq
        yield Emit(event)
        return event.is_terminal

    yield from plans.through(plans.server_events(asked, policy, deadline=deadline), tell)


def _is_last(event: Event) -> bool:
    return event.is_terminal


def _batches(intents: Iterable[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    size = 0
    for intent in intents:
        length = len(repr(intent))
        if batch and (len(batch) == LARGEST_BATCH or size + length > LARGEST_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(intent)
        size += length
    if batch:
        yield batch
