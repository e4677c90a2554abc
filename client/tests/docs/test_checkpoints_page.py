"""docs/checkpoints.md shows what goes over the wire: it is sent as it stands, and answered as it says."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from perdure import Client
from support.pages import snippets
from support.server import Server

CHECKPOINT, FRAME, RESULT, BATCH = (json.loads(each) for each in snippets("docs/checkpoints.md", "json"))


@pytest.fixture
def socket(server: Server, client: Client) -> Iterator[ClientConnection]:
    """An agent's connection, to which two intents have been given."""
    name = f"worker-{uuid.uuid4().hex[:12]}"
    client.agents.register(name)
    for _ in range(2):
        client.submit("test.page.v1", name)
    headers = {"x-api-key": server.key}
    with connect(server.url.replace("http", "ws", 1) + "/ws/agent", additional_headers=headers) as found:
        found.send(json.dumps({"type": "hello", "address": name, "max_in_flight": 2}))
        yield found


def taken(socket: ClientConnection, number: int) -> list[dict[str, Any]]:
    """So many deliveries."""
    found: list[dict[str, Any]] = []
    while len(found) < number:
        found += json.loads(socket.recv(timeout=30)).get("deliveries", [])
    return found


def test_a_checkpoint_is_what_the_page_shows(socket: ClientConnection, client: Client) -> None:
    first, _ = taken(socket, 2)
    value = json.dumps(CHECKPOINT["value"], separators=(",", ":")).encode()

    answer = client.request(
        "PUT",
        f"/v1/intents/{first['intent_id']}/checkpoints/{CHECKPOINT['step']}",
        content=value,
        headers={"content-type": CHECKPOINT["content_type"], "x-perdure-lease": first["lease"]},
    )

    shown = {**CHECKPOINT, "at": answer["checkpoint"]["at"]}
    assert answer == {"ok": True, "created": True, "checkpoint": shown}
    assert len(answer["checkpoint"]["at"]) == len(CHECKPOINT["at"])


def test_the_frames_of_the_page_are_understood_and_answered_so(socket: ClientConnection) -> None:
    first, second = taken(socket, 2)
    ids = {"01a2…": first["intent_id"], "01a3…": second["intent_id"]}
    leases = {"7e11…": first["lease"], "c0de…": str(uuid.uuid4())}  # the second has been superseded
    frame = {
        **FRAME,
        "items": [
            {**item, "intent_id": ids[item["intent_id"]], "lease": leases[item["lease"]]}
            for item in FRAME["items"]
        ],
    }

    socket.send(json.dumps(frame))
    answer = json.loads(socket.recv(timeout=30))

    expected = json.loads(json.dumps(RESULT))
    for shown, got in zip(expected["results"], answer["results"], strict=True):
        shown["intent_id"] = ids[shown["intent_id"]]
        if shown["ok"]:
            shown["checkpoint"]["at"] = got["checkpoint"]["at"]
        else:
            shown["error"]["message"] = got["error"]["message"]
    assert answer == expected


def test_the_batch_of_the_page_is_done(client: Client) -> None:
    thread = client.thread(f"page-{uuid.uuid4().hex}")
    thread.items.put("old", 1)
    while thread.items.put("state", {"node": 0}).version < BATCH[0]["if_version"]:
        """Versions count the changes of the whole thread."""

    answer = client.request("POST", f"/v1/threads/{thread.id}/items/batch", json=BATCH)

    changed, made, deleted = answer["items"]
    assert changed["key"] == "state"
    assert changed["version"] > BATCH[0]["if_version"]
    assert (made["created"], made["content_type"]) == (True, "application/octet-stream")
    assert deleted == {"key": "old", "deleted": True}
