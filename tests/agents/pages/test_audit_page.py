"""The audit log as operators see it: filtered, paged and exported, one organization's alone, and never markup."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from django.http import HttpResponse

from agents import audit, audit_reading
from agents.models import AuditEntry, Workspace
from tests.agents.pages.conftest import Member
from tests.factories import make_workspace
from tests.intents.pages.hostile import HOSTILE
from tests.intents.pages.markup import Markup, assert_harmless


def note(workspace: Workspace, target: str, *, who: str = "human:ada", action: str = "key.created") -> None:
    audit.record(who, action, target, organization_id=workspace.organization_id)


def targets(html: str) -> list[int]:
    """The ids of the entries that a page shows, in order."""
    rows = [attributes.get("id") or "" for tag, attributes in Markup(html).tags if tag == "tr"]
    return [int(row.removeprefix("entry-")) for row in rows if row.startswith("entry-")]


def shown(member: Member, **query: Any) -> list[str]:
    answer = member.get("audit/", data=query)
    assert answer.status_code == 200
    names = dict(AuditEntry.objects.values_list("pk", "target"))
    return without_sign_ins(names[pk] for pk in targets(answer.content.decode()))


def without_sign_ins(names: Iterable[str]) -> list[str]:
    """Who looks has signed in, which is in the log too."""
    return [name for name in names if not name.startswith("user:")]


def lines(answer: HttpResponse) -> list[dict[str, Any]]:
    body = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    return [json.loads(line) for line in body.decode().splitlines()]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["c", "b", "a"]),
        ({"actor": "ada"}, ["c", "a"]),
        ({"actor": "human:ben"}, ["b"]),
        ({"action": "key.revoked"}, ["c"]),
        ({"action": "key."}, ["c", "a"]),
        ({"target": "b"}, ["b"]),
        ({"to": "2001-01-01T00:00"}, []),
        ({"from": "2001-01-01T00:00"}, ["c", "b", "a"]),
        ({"from": "no time", "before": "x", "after": "", "actor": "\x00"}, ["c", "b", "a"]),
        ({"before": "9" * 39}, ["c", "b", "a"]),
    ],
)
def test_filters_find_by_actor_action_target_and_time(
    operator: Member, workspace: Workspace, query: dict[str, str], expected: list[str]
) -> None:
    note(workspace, "a")
    note(workspace, "b", who="human:ben", action="agent.killed")
    note(workspace, "c", action="key.revoked")

    assert shown(operator, **query) == expected
    assert (
        without_sign_ins(line["target"] for line in lines(operator.get("audit/export/", data=query)))
        == expected
    )


def test_pages_follow_each_other_in_both_directions(
    operator: Member, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_reading, "PER_PAGE", 2)
    for name in "abcde":
        note(workspace, name)
    pks = dict(AuditEntry.objects.values_list("target", "pk"))

    assert shown(operator) == ["e", "d"]
    assert shown(operator, action="key.", before=pks["d"]) == ["c", "b"]
    assert shown(operator, action="key.", before=pks["b"]) == ["a"]
    assert shown(operator, action="key.", after=pks["a"]) == ["c", "b"]
    last = operator.get("audit/", data={"action": "key.", "before": pks["b"]}).content.decode()
    assert 'rel="next"' not in last
    assert f"after={pks['a']}" in last


def test_an_export_goes_beyond_a_page(
    operator: Member, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_reading, "AT_A_TIME", 2)
    for name in "abcde":
        note(workspace, name)

    answer = operator.get("audit/export/")

    assert without_sign_ins(line["target"] for line in lines(answer)) == list("edcba")
    assert answer["Content-Type"] == "application/x-ndjson"
    assert answer["Content-Disposition"].startswith("attachment")


def test_viewers_may_not_and_strangers_find_nothing(
    viewer: Member, stranger: Member, workspace: Workspace
) -> None:
    note(workspace, "a")

    for path in ("audit/", "audit/export/"):
        assert viewer.get(path).status_code == 403
        assert stranger.get(path).status_code == 404


def test_another_organizations_entries_are_not_shown(operator: Member, workspace: Workspace) -> None:
    note(workspace, "ours")
    note(make_workspace(), "theirs")

    assert shown(operator) == ["ours"]
    assert shown(operator, target="theirs") == []
    assert without_sign_ins(line["target"] for line in lines(operator.get("audit/export/"))) == ["ours"]


def test_hostile_text_stays_text(operator: Member, workspace: Workspace) -> None:
    for text in HOSTILE:
        audit.record(
            text,
            "key.created",
            text,
            organization_id=workspace.organization_id,
            target_label=text,
            reason=text,
            details={text: text},
        )

    text = assert_harmless(operator.get("audit/").content.decode()).text
    assert all(each in text for each in HOSTILE)
    for each in HOSTILE[:20]:
        query = {"actor": each, "action": each, "target": each}
        assert_harmless(operator.get("audit/", data=query).content.decode())


@pytest.mark.parametrize(
    "moment",
    [
        "2020-01-01T00:00+20:00",
        "2020-01-01T00:00:00+01:02:03.000004",
        "0001-01-01T00:00",
        "0001-01-01T00:00+14:00",
        "9999-12-31T23:59:59-15:00",
        "9999-12-31T23:59",
    ],
)
def test_times_that_no_calendar_has_everywhere_break_nothing(operator: Member, moment: str) -> None:
    for name in ("from", "to"):
        assert operator.get("audit/", data={name: moment}).status_code == 200
        exported: Any = operator.get("audit/export/", data={name: moment})
        assert exported.status_code == 200
        b"".join(exported.streaming_content)
