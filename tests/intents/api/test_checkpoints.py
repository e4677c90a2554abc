"""Checkpoints over HTTP: the first write wins, fenced; and raw bytes come back as they went."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from intents import coalescer
from intents.records import Lease, Slot
from tests.intents.api.conftest import Client, Someone, refusal


def path(intent_id: str, step: str) -> str:
    return f"/v1/intents/{intent_id}/checkpoints/{quote(step, safe='')}"


async def put(
    client: Client, intent_id: str, by: Someone, step: str = "extract", value: bytes = b"1", **headers: str
) -> httpx.Response:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return await client.api.put(path(intent_id, step), content=value, headers={**by.headers, **named})


async def leased(agent: Someone, *, seconds: int = 60) -> Lease:
    [lease] = await coalescer.claim([Slot(agent.agent.pk, 1, 1, uuid4(), seconds)])
    return lease


# -- saving -----------------------------------------------------------------------------------------------------


async def test_a_step_is_saved_and_shown(client: Client, sender: Someone, agent: Someone) -> None:
    intent_id = await client.submit(sender, agent)
    lease = await leased(agent)

    response = await put(
        client, intent_id, agent, "extract", b'{"rows": 3}',
        x_perdure_lease=str(lease.lease_token), content_type="application/json",
    )  # fmt: skip

    assert response.status_code == 201
    body = response.json()
    assert body["created"] is True
    at = body["checkpoint"].pop("at")
    assert body["checkpoint"] == {
        "step": "extract", "attempt": 1, "size": 11, "content_type": "application/json", "value": {"rows": 3},
    }  # fmt: skip
    listed = (await client.get(f"/v1/intents/{intent_id}/checkpoints", sender)).json()
    assert listed == {"ok": True, "checkpoints": [{**body["checkpoint"], "at": at}], "checkpoint_count": 1}
    events = (await client.get(f"/v1/intents/{intent_id}/events", sender)).json()["events"]
    assert events[-1]["details"] == {
        "checkpoint": {"step": "extract", "size": 11, "content_type": "application/json"}
    }
    assert (events[-1]["event_type"], events[-1]["actor"]) == ("intent.in_progress", agent.agent.address)


async def test_a_repeated_step_is_answered_what_is_stored(
    client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent)
    await leased(agent)
    first = await put(client, intent_id, agent, value=b"first")
    history = await client.history(intent_id, sender)

    again = await put(client, intent_id, agent, value=b"second", content_type="text/plain")

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == {**first.json(), "created": False}
    assert again.json()["checkpoint"]["value_base64"] == "Zmlyc3Q="
    assert await client.history(intent_id, sender) == history


@pytest.mark.parametrize(
    ("value", "content_type"),
    [
        (b"", "application/octet-stream"),
        (bytes(range(256)), "application/octet-stream"),
        (b"<script>alert(1)</script>", "text/html; charset=utf-8"),
        (b"{not json", "application/json"),
        (b"NaN", "application/json"),
        (b'"\\ud800"', "application/problem+json"),
        (b"\x80\x05K\x01.", "application/vnd.python.pickle"),
    ],
)
async def test_any_bytes_come_back_as_they_went_and_are_not_shown_by_browsers(
    client: Client, sender: Someone, agent: Someone, value: bytes, content_type: str
) -> None:
    intent_id = await client.submit(sender, agent)
    saved = await put(client, intent_id, agent, value=value, content_type=content_type)

    response = await client.get(path(intent_id, "extract"), sender)

    assert saved.status_code == 201
    assert "value_base64" in saved.json()["checkpoint"]
    assert (response.status_code, response.content) == (200, value)
    assert response.headers["content-type"] == content_type
    assert response.headers["content-length"] == str(len(value))
    assert response.headers["content-disposition"] == "attachment"
    assert response.headers["content-security-policy"] == "sandbox"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-perdure-attempt"] == "1"
    assert response.headers["x-perdure-at"] == saved.json()["checkpoint"]["at"]


@pytest.mark.parametrize("step", ["a", "a/b", "ä ö/ü?#&%2F", "a%2F..%2Fb", "…", "checkpoints", "x" * 255])
async def test_a_step_keeps_its_name(client: Client, sender: Someone, agent: Someone, step: str) -> None:
    intent_id = await client.submit(sender, agent)

    response = await put(client, intent_id, agent, step, step.encode())

    assert response.status_code == 201, response.text
    assert response.json()["checkpoint"]["step"] == step
    assert (await client.get(path(intent_id, step), agent)).content == step.encode()


async def test_a_megabyte_fits_and_a_byte_more_does_not(
    client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent)
    most = bytes(1024 * 1024)

    fits = await put(client, intent_id, agent, "fits", most)
    beyond = await put(client, intent_id, agent, "beyond", most + b"x")

    assert fits.status_code == 201
    assert refusal(beyond) == (413, "payload_too_large")
    assert beyond.json()["error"]["details"] == {"limit_of": "value", "limit": 1024 * 1024}
    listed = (await client.get(f"/v1/intents/{intent_id}/checkpoints", sender)).json()
    assert [each["step"] for each in listed["checkpoints"]] == ["fits"]
    assert listed["checkpoints"][0]["value_omitted"] is True


@pytest.mark.parametrize(
    ("setting", "most", "limit_of"),
    [("PERDURE_CHECKPOINTS_PER_INTENT", 2, "steps"), ("PERDURE_CHECKPOINT_BYTES_PER_INTENT", 25, "bytes")],
)
async def test_an_intent_keeps_only_so_much(
    client: Client,
    sender: Someone,
    agent: Someone,
    settings: Any,
    setting: str,
    most: int,
    limit_of: str,
) -> None:
    setattr(settings, setting, most)
    intent_id = await client.submit(sender, agent)

    answers = [await put(client, intent_id, agent, step, b"ten bytes!") for step in ("a", "b", "c", "a")]

    assert [each.status_code for each in answers] == [201, 201, 413, 200]
    assert answers[2].json()["error"]["details"] == {"limit_of": limit_of, "limit": most}


# -- who may, and under which hold ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PUT", "GET", "list", "usage"])
async def test_a_stranger_finds_nothing(
    client: Client, sender: Someone, agent: Someone, stranger: Someone, method: str
) -> None:
    intent_id = await client.submit(sender, agent)
    await put(client, intent_id, agent)
    before = await client.history(intent_id, sender)

    response = await ask(client, method, intent_id, stranger)

    assert refusal(response) == (404, "not_found")
    assert response.json()["detail"] == "intent not found"
    assert await client.history(intent_id, sender) == before


@pytest.mark.parametrize("method", ["PUT", "usage"])
async def test_another_agent_of_the_workspace_may_look_and_not_write(
    client: Client, sender: Someone, agent: Someone, bystander: Someone, method: str
) -> None:
    intent_id = await client.submit(sender, agent)

    assert refusal(await ask(client, method, intent_id, bystander))[0] in (403, 404)
    assert await client.history(intent_id, sender) == ["intent.created", "intent.submitted"]


@pytest.mark.parametrize("method", ["PUT", "usage"])
async def test_a_key_that_may_only_look_writes_nothing(
    client: Client, sender: Someone, agent: Someone, reader: Someone, method: str
) -> None:
    intent_id = await client.submit(sender, agent)

    assert refusal(await ask(client, method, intent_id, reader)) == (403, "forbidden")
    assert (await ask(client, "list", intent_id, reader)).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "GET", "list", "usage"])
async def test_nobody_knows_an_intent_that_does_not_exist(
    client: Client, agent: Someone, admin: Someone, method: str
) -> None:
    for someone in (agent, admin):
        assert refusal(await ask(client, method, str(uuid4()), someone)) == (404, "not_found")


async def test_an_unknown_step_is_not_found(client: Client, sender: Someone, agent: Someone) -> None:
    intent_id = await client.submit(sender, agent)

    assert refusal(await client.get(path(intent_id, "nothing"), agent)) == (404, "not_found")


@pytest.mark.parametrize("method", ["PUT", "usage"])
async def test_a_superseded_attempt_writes_nothing(
    client: Client, sender: Someone, agent: Someone, method: str
) -> None:
    intent_id = await client.submit(sender, agent)
    stale = await leased(agent)
    await coalescer.expire_sessions([stale.lease_session])
    current = await leased(agent)
    before = await client.history(intent_id, sender)

    late = [
        await ask(client, method, intent_id, agent, x_perdure_lease=str(stale.lease_token)),
        await ask(client, method, intent_id, agent, cookie=f"perdure_session={stale.lease_session}"),
    ]

    assert [refusal(each) for each in late] == [(409, "lease_lost")] * 2
    assert await client.history(intent_id, sender) == before
    good = await ask(client, method, intent_id, agent, cookie=f"perdure_session={current.lease_session}")
    assert good.status_code in (200, 201)


@pytest.mark.parametrize("method", ["PUT", "usage"])
async def test_an_administrator_who_was_replaced_is_refused_too(
    client: Client, sender: Someone, agent: Someone, admin: Someone, method: str
) -> None:
    intent_id = await client.submit(sender, agent)
    stale = await leased(agent)
    await coalescer.expire_sessions([stale.lease_session])
    await leased(agent)

    late = await ask(client, method, intent_id, admin, cookie=f"perdure_session={stale.lease_session}")
    free = await ask(client, method, intent_id, admin)

    assert refusal(late) == (409, "lease_lost")
    assert free.status_code in (200, 201)


@pytest.mark.parametrize("method", ["PUT", "usage"])
async def test_what_has_ended_takes_no_more(
    client: Client, sender: Someone, agent: Someone, method: str
) -> None:
    intent_id = await client.submit(sender, agent)
    await put(client, intent_id, agent)
    await client.post(f"/v1/intents/{intent_id}/resume", agent, {"rows": 9})
    before = await client.history(intent_id, sender)

    assert refusal(await ask(client, method, intent_id, agent)) == (409, "intent_terminal")
    assert await client.history(intent_id, sender) == before
    assert (await client.get(path(intent_id, "extract"), sender)).content == b"1"


# -- what it cannot be ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "step", ["..", ".", "a//b", "a/", "/a", "a/../b", "a\x00b", "a\x7fb", "\x85", "x" * 256, "\ufffd"]
)
async def test_a_name_that_cannot_be_is_refused(
    client: Client, sender: Someone, agent: Someone, step: str
) -> None:
    intent_id = await client.submit(sender, agent)
    # httpx would take dots away before anybody could refuse them.
    name = quote(step, safe="").replace(".", "%2E")

    response = await client.api.put(path(intent_id, "") + name, content=b"1", headers=agent.headers)

    assert response.status_code in (400, 422), response.text
    listed = (await client.get(f"/v1/intents/{intent_id}/checkpoints", sender)).json()
    assert listed["checkpoint_count"] == 0


@pytest.mark.parametrize(
    "content_type", ["json", "text/", "/x", "a/b;", "a/b; c", "x/" + "y" * 300, "text/é"]
)
async def test_what_is_no_content_type_is_refused(
    client: Client, sender: Someone, agent: Someone, content_type: str
) -> None:
    intent_id = await client.submit(sender, agent)

    response = await client.api.put(
        path(intent_id, "a"), content=b"1",
        headers=httpx.Headers({**agent.headers, "content-type": content_type}, encoding="utf-8"),
    )  # fmt: skip

    assert refusal(response) == (422, "validation_error")


async def test_what_is_no_lease_is_refused(client: Client, sender: Someone, agent: Someone) -> None:
    intent_id = await client.submit(sender, agent)

    response = await put(client, intent_id, agent, x_perdure_lease="mine")

    assert refusal(response) == (422, "validation_error")


# -- usage ------------------------------------------------------------------------------------------------------


async def test_a_report_is_an_event_and_reports_add_up(
    client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent)
    reports = [{"cost_usd": 0.0125, "tokens": 1830, "model": "small-1"}, {"tokens": 7}, {"cost_usd": 0}]

    answers = [await client.post(f"/v1/intents/{intent_id}/usage", agent, each) for each in reports]

    assert [each.json() for each in answers] == [
        {"ok": True, "intent_id": intent_id, "seq": seq} for seq in (3, 4, 5)
    ]
    events = (await client.get(f"/v1/intents/{intent_id}/events", sender)).json()["events"]
    assert [event["details"] for event in events[2:]] == [{"usage": each} for each in reports]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"cost_usd": None},
        {"cost_usd": -1},
        {"cost_usd": 1_000_001},
        {"cost_usd": "1"},
        {"cost_usd": True},
        {"tokens": 1.5},
        {"tokens": -1},
        {"tokens": 10**13},
        {"tokens": True},
        {"tokens": "many"},
        {"model": ""},
        {"model": "x" * 201},
        {"model": 3},
        {"spent": 3},
        [],
    ],
)
async def test_what_is_no_report_is_refused(
    client: Client, sender: Someone, agent: Someone, body: Any
) -> None:
    intent_id = await client.submit(sender, agent)

    response = await client.post(f"/v1/intents/{intent_id}/usage", agent, body)

    assert refusal(response) == (422, "validation_error")
    assert len(await client.history(intent_id, sender)) == 2


async def ask(client: Client, method: str, intent_id: str, by: Someone, **headers: str) -> httpx.Response:
    """Ask for one of the routes."""
    match method:
        case "PUT":
            return await put(client, intent_id, by, "step", b"1", **headers)
        case "GET":
            return await client.get(path(intent_id, "extract"), by)
        case "list":
            return await client.get(f"/v1/intents/{intent_id}/checkpoints", by)
        case _:
            return await client.post(f"/v1/intents/{intent_id}/usage", by, {"tokens": 1}, **headers)


# -- a retry goes on from them ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "inherited"), [(None, 2), ({}, 2), ({"checkpoints": True}, 2), ({"checkpoints": False}, 0)]
)
async def test_a_retry_inherits_unless_it_is_to_start_over(
    client: Client, sender: Someone, agent: Someone, admin: Someone, body: Any, inherited: int
) -> None:
    intent_id = await client.submit(sender, agent)
    await put(client, intent_id, agent, "extract", b'{"rows": 3}', content_type="application/json")
    await put(client, intent_id, agent, "model", b"\x00\x01")
    await client.post(f"/v1/intents/{intent_id}/resume", agent, {"action": "fail"})

    retried = (await client.post(f"/v1/intents/{intent_id}/retry", admin, body)).json()["intent_id"]

    lease = await leased(agent)
    assert (str(lease.intent_id), lease.attempt) == (retried, 1)
    told = (await client.show(retried, sender))["intent"]
    assert (lease.checkpoint_count, told["checkpoint_count"]) == (inherited, inherited)
    assert [(each["step"], each["attempt"]) for each in told["checkpoints"]] == [
        ("extract", 0), ("model", 0),
    ][:inherited]  # fmt: skip
    kept = await put(client, retried, agent, "extract", b"other")
    assert kept.status_code == (200 if inherited else 201)


@pytest.mark.parametrize("body", [{"checkpoints": "no"}, {"checkpoints": 0}, {"checkpoints": None}, []])
async def test_what_is_no_retry_is_refused(
    client: Client, sender: Someone, agent: Someone, admin: Someone, body: Any
) -> None:
    intent_id = await client.submit(sender, agent)
    await client.post(f"/v1/intents/{intent_id}/resume", agent, {"rows": 1})

    response = await client.post(f"/v1/intents/{intent_id}/retry", admin, body)

    assert refusal(response) == (422, "validation_error")


# -- what an intent's own fields cannot pretend -----------------------------------------------------------------


async def test_a_submitter_cannot_pretend_that_something_was_saved(
    client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent, checkpoints=[{"step": "all"}], checkpoint_count=7)

    shown = (await client.show(intent_id, sender))["intent"]

    assert (shown["checkpoint_count"], shown["checkpoints"]) == (0, [])
