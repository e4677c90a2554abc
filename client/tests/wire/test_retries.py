"""What is asked again, when, and what comes of it: the plans, carried out by a test instead of a network."""

from __future__ import annotations

from typing import Any

import pytest

from perdure import (
    AgentNotFound,
    Forbidden,
    Invalid,
    LeaseLost,
    RateLimited,
    ServerError,
    Unavailable,
    errors,
    plans,
)
from perdure.plans import ConnectionFailed, Emit, OpenStream, Pause, Policy, ReadOn, Request, Response

OK = Response(200, {}, b'{"ok": true}')
ASKED = plans.request("GET", "/v1/intents")


def refusal(status: int, code: str = "", **headers: str) -> Response:
    body = b'{"ok": false, "error": {"code": "%s", "message": "no", "details": {"a": 1}}}' % code.encode()
    return Response(status, {name.replace("_", "-"): each for name, each in headers.items()}, body)


class Time:
    """A clock that only pauses move."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def carry_out(
    answers: list[Any], *, patience: float = 60.0, asked: Request = ASKED
) -> tuple[Any, list[float], int]:
    """What comes of the request if it is answered so: the result, the pauses, and how often it was sent."""
    clock = Time()
    plan = plans.answered(asked, Policy(patience, clock=clock, chance=lambda: 1.0))
    pauses, sent = [], 0
    effect = next(plan)
    try:
        while True:
            if isinstance(effect, Pause):
                pauses.append(effect.seconds)
                clock.now += effect.seconds
                effect = plan.send(None)
                continue
            assert effect is asked
            sent += 1
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            effect = plan.throw(answer) if isinstance(answer, Exception) else plan.send(answer)
    except StopIteration as stop:
        return stop.value, pauses, sent
    except errors.ApiError as error:
        return error, pauses, sent


def test_an_outage_is_tried_out_with_pauses_that_grow() -> None:
    result, pauses, sent = carry_out([*[ConnectionFailed("refused")] * 8, OK])

    assert (result, sent) == (OK, 9)
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_pauses_are_shortened_by_chance_and_never_by_more_than_half() -> None:
    shortest, longest = Policy(chance=lambda: 0.0), Policy(chance=lambda: 1.0)
    assert [shortest.pause(3), longest.pause(3)] == pytest.approx([0.4, 0.8])
    assert Policy(chance=lambda: 1.0).pause(10_000) == 5.0


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (ConnectionFailed("refused"), Unavailable),
        (refusal(502), Unavailable),
        (refusal(503, "service_unavailable"), Unavailable),
        (refusal(504), Unavailable),
        (refusal(429, "rate_limited"), RateLimited),
    ],
)
def test_what_may_change_is_tried_for_as_long_as_there_is_patience(
    answer: Any, kind: type[Exception]
) -> None:
    error, pauses, sent = carry_out([answer], patience=10)

    assert type(error) is kind
    assert 5 < sum(pauses) <= 10
    assert sent == len(pauses) + 1
    assert carry_out([answer], patience=0)[2] == 1


@pytest.mark.parametrize("text", ["3", "0.5", "0"])
def test_what_the_server_asks_to_wait_is_never_undercut(text: str) -> None:
    _, pauses, _ = carry_out([refusal(503, retry_after=text), OK])

    assert float(text) <= pauses[0] <= float(text) + 0.1


@pytest.mark.parametrize("text", ["Wed, 21 Oct 2026 07:28:00 GMT", "soon", "", "-5"])
def test_a_retry_after_that_is_no_number_of_seconds_is_as_good_as_none(text: str) -> None:
    assert carry_out([refusal(503, retry_after=text), OK])[1][0] <= 0.1


def test_who_is_to_wait_longer_than_there_is_patience_is_told_at_once() -> None:
    error, pauses, sent = carry_out([refusal(429, "rate_limited", retry_after="90")], patience=60)

    assert (type(error), pauses, sent) == (RateLimited, [], 1)


def test_a_used_up_quota_is_not_waited_for() -> None:
    assert carry_out([refusal(429, "quota_exceeded")])[2] == 1


def test_a_mistake_of_the_server_is_tried_three_times_more() -> None:
    error, _, sent = carry_out([refusal(500, "internal_error")])

    assert (type(error), sent) == (ServerError, 4)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal(400, "bad_request"), errors.BadRequest),
        (refusal(401, "unauthorized"), errors.Unauthenticated),
        (refusal(403, "forbidden"), Forbidden),
        (refusal(403, "agent_killed"), errors.AgentKilled),
        (refusal(404, "agent_not_found"), AgentNotFound),
        (refusal(404, "not_found"), errors.NotFound),
        (refusal(409, "lease_lost"), LeaseLost),
        (refusal(409, "intent_terminal"), errors.IntentEnded),
        (refusal(409, "idempotency_conflict"), errors.IdempotencyConflict),
        (refusal(409, "version_conflict"), errors.VersionConflict),
        (refusal(409, "something_new"), errors.Conflict),
        (refusal(413, "payload_too_large"), errors.PayloadTooLarge),
        (refusal(422, "validation_error"), Invalid),
        (refusal(418, "teapot"), errors.ApiError),
    ],
)
def test_a_refusal_is_raised_by_its_name_and_not_tried_again(answer: Response, kind: type[Exception]) -> None:
    error, _, sent = carry_out([answer])

    assert (type(error), sent) == (kind, 1)
    assert (error.status, error.message, error.details) == (answer.status, "no", {"a": 1})
    assert error.code == answer.json()["error"]["code"]


@pytest.mark.parametrize("content", [b"<html>Bad Gateway</html>", b"", b"[]", b"null", b"\xff"])
def test_an_answer_that_is_no_envelope_is_an_error_by_its_status(content: bytes) -> None:
    error, _, _ = carry_out([Response(502, {}, content)], patience=0)
    assert type(error) is Unavailable
    error, _, _ = carry_out([Response(404, {}, content)])
    assert isinstance(error, errors.NotFound)


def streamed(bodies: list[bytes], *, seconds_each: float = 0.0) -> tuple[list[str], list[float]]:
    """The events of a stream that is answered so, one time after the other, and the pauses between."""
    clock = Time()
    stream = plans.server_events(lambda: ASKED, Policy(clock=clock, chance=lambda: 1.0), deadline=1000.0)
    left = iter(bodies)
    names, pauses, chunks = [], [], [b""]
    reply: Any = None
    while True:
        effect = stream.send(reply)
        reply = None
        match effect:
            case OpenStream():
                if (body := next(left, None)) is None:
                    return names, pauses
                reply, chunks = Response(200, {}, b""), [body, b""]
            case ReadOn():
                reply = chunks.pop(0)
                clock.now += seconds_each / 2
            case Emit():
                names.append(effect.item.name)
            case Pause():
                pauses.append(effect.seconds)
                clock.now += effect.seconds


NOTHING = b'event: stream.timeout\ndata: {"next_seq":0}\n\n'
SOMETHING = b"event: intent.created\nid: 1\ndata: {}\n\n" + NOTHING


def test_streams_that_end_at_once_and_tell_nothing_are_asked_for_less_and_less_often() -> None:
    names, pauses = streamed([NOTHING, NOTHING, b"", SOMETHING, SOMETHING, NOTHING])

    assert pauses == [0.1, 0.2, 0.4, 0.1]
    assert names.count("intent.created") == 2


def test_a_stream_that_was_quiet_for_as_long_as_it_was_asked_to_is_asked_for_again_at_once() -> None:
    assert streamed([NOTHING] * 3, seconds_each=30.0) == (["stream.timeout"] * 3, [])


def test_a_missing_intent_is_told_from_a_missing_thing_of_an_intent() -> None:
    intent = plans.request("GET", "/v1/intents/01a2")
    checkpoint = Response(404, {}, b'{"error": {"code": "not_found", "message": "checkpoint not found"}}')

    assert type(carry_out([refusal(404, "not_found")], asked=intent)[0]) is errors.IntentNotFound
    assert type(carry_out([checkpoint], asked=intent)[0]) is errors.NotFound
