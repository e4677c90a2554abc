"""Checkpoints over HTTP: the first write wins, fenced; and raw bytes come back as they went."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.intents.api.conftest import Client, Someone, refusal
from tests.intents.api.saving import leased, path, put

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
