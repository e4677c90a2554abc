"""The page of API keys: made, rotated and revoked by administrators, seen by members, absent for all others."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from agents import key_desk, keys, tokens
from agents.errors import Forbidden
from agents.models import Agent, ApiKey, AuditEntry, Role, Workspace
from agents.pages import once
from agents.people import Operator
from tests.agents.pages.conftest import Member, member
from tests.factories import make_agent, make_key
from tests.intents.pages.hostile import HOSTILE
from tests.intents.pages.markup import assert_harmless

TOKEN = re.compile(r"axme_sa_sa_[0-9a-f]+_[0-9a-f]{72}")


def token_on(html: str) -> str:
    [token] = set(TOKEN.findall(html))
    return token


def made(admin: Member, path: str, **form: object) -> str:
    """The token that the page behind a form shows."""
    answer = admin.post(path, **form)
    assert answer.status_code == 303, answer.content.decode()
    return token_on(admin.client.get(answer["Location"]).content.decode())


def test_the_list_says_who_holds_a_key_and_when_whence_and_with_what_it_was_used(
    viewer: Member, workspace: Workspace
) -> None:
    key, token = make_key(make_agent(workspace, "worker"))
    ApiKey.objects.filter(pk=key.pk).update(
        label="laptop", last_used_at=timezone.now(), last_used_ip="192.0.2.7", last_used_client="curl/8"
    )

    html = viewer.get("keys/").content.decode()

    for shown in ("worker", "laptop", "192.0.2.7", "curl/8", key.hint, "intents:submit"):
        assert shown in html
    assert token not in html


def test_an_administrator_makes_a_key_that_is_shown_once(admin: Member, workspace: Workspace) -> None:
    agent = make_agent(workspace, "worker")

    answer = admin.post(
        "keys/new/", agent=agent.address, label="laptop", scopes=["intents:read", "agent"], expires="30"
    )
    assert answer.status_code == 303
    assert not TOKEN.search(answer["Location"])
    answer = admin.client.get(answer["Location"])  # type: ignore[assignment]

    token = token_on(answer.content.decode())
    key = ApiKey.objects.get(secret_hash=tokens.digest(token))
    assert (key.agent, key.label, set(key.scopes)) == (agent, "laptop", {"intents:read", "agent"})
    assert key.expires_at
    assert timedelta(days=29) < key.expires_at - timezone.now() < timedelta(days=31)
    assert "no-store" in answer["Cache-Control"]
    assert token not in admin.get("keys/").content.decode()
    entry = AuditEntry.objects.get(action="key.created")
    assert (entry.actor, entry.target) == (f"human:{admin.user.username}", key.pk)
    assert token not in str(entry.details)


def test_reloading_the_page_with_the_token_shows_it_no_more_and_makes_no_second_key(
    admin: Member, workspace: Workspace
) -> None:
    answer = admin.post("keys/new/", agent="worker", scopes=["agent"], expires="30")
    session = admin.client.session
    kept = str(dict(session.items()))

    other = member(workspace, Role.ADMIN).client.get(answer["Location"]).content.decode()
    first, second = (admin.client.get(answer["Location"]).content.decode() for _ in range(2))

    assert token_on(first) not in kept, "not even in the session"
    for page in (other, second):
        assert not TOKEN.search(page)
        assert "cannot be shown again" in page
    assert ApiKey.objects.count() == 1


def test_what_nobody_came_to_see_is_not_kept_for_long(admin: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = admin.post("keys/new/", agent="worker", scopes=["agent"], expires="30")
    monkeypatch.setattr(once, "KEPT_SECONDS", -1)

    assert not TOKEN.search(admin.client.get(answer["Location"]).content.decode())


def test_a_name_that_is_new_registers_an_agent(admin: Member, workspace: Workspace) -> None:
    admin.post("keys/new/", agent="newcomer", scopes=["agent"], expires="never")

    agent = Agent.objects.get(workspace=workspace, name="newcomer")
    assert agent.is_registered
    assert agent.api_keys.count() == 1


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"agent": "agent://elsewhere/production/worker"}, 422),
        ({"agent": "x\x00y/"}, 422),
        ({"scopes": []}, 422),
        ({"scopes": ["everything"]}, 422),
        ({"expires": "yesterday"}, 422),
    ],
)
def test_what_cannot_be_is_said_and_makes_no_key(
    admin: Member, wrong: dict[str, object], status: int
) -> None:
    typed = {"agent": "worker", "scopes": ["agent"], "expires": "30", "label": "kept"} | wrong

    answer = admin.post("keys/new/", **typed)

    assert answer.status_code == status
    assert 'role="alert"' in answer.content.decode()
    assert "kept" in answer.content.decode()
    assert not ApiKey.objects.exists()


def test_no_key_is_made_for_a_revoked_agent(admin: Member, workspace: Workspace) -> None:
    make_agent(workspace, "gone", status="revoked")

    assert admin.post("keys/new/", agent="gone", scopes=["agent"], expires="30").status_code == 409
    assert not ApiKey.objects.exists()


def test_both_keys_work_until_the_rotated_one_ends(admin: Member, workspace: Workspace) -> None:
    old, _ = make_key(make_agent(workspace), expires_at=timezone.now() + timedelta(days=60))

    token = made(admin, f"keys/{old.pk}/rotation/", overlap="24")

    new = ApiKey.objects.get(secret_hash=tokens.digest(token))
    old.refresh_from_db()
    assert old.replaced_by == new
    assert new.scopes == old.scopes
    assert new.expires_at
    assert new.expires_at - timezone.now() > timedelta(days=59)
    assert old.expires_at
    assert timedelta(hours=23) < old.expires_at - timezone.now() <= timedelta(hours=24)
    assert set(keys.valid()) == {old, new}
    assert admin.post(f"keys/{old.pk}/rotation/", overlap="24").status_code == 409


def test_a_rotation_never_lengthens_a_life(admin: Member, workspace: Workspace) -> None:
    ends_at = timezone.now() + timedelta(hours=1)
    old, _ = make_key(make_agent(workspace), expires_at=ends_at)

    admin.post(f"keys/{old.pk}/rotation/", overlap="720")

    old.refresh_from_db()
    assert old.expires_at == ends_at


def test_without_an_overlap_the_old_key_is_revoked_at_once(admin: Member, workspace: Workspace) -> None:
    old, _ = make_key(make_agent(workspace))

    admin.post(f"keys/{old.pk}/rotation/", overlap="0")

    old.refresh_from_db()
    assert old.revoked_at is not None
    assert list(keys.valid()) == [old.replaced_by]


def test_revoking_asks_first_and_is_noted_once(admin: Member, workspace: Workspace) -> None:
    key, _ = make_key(make_agent(workspace))

    assert "cannot be undone" in admin.get(f"keys/{key.pk}/revocation/").content.decode()
    assert key in keys.valid()
    for _ in range(2):
        assert admin.post(f"keys/{key.pk}/revocation/", reason="leaked").status_code == 303

    assert key not in keys.valid()
    assert AuditEntry.objects.get(action="key.revoked").reason == "leaked"


def test_viewers_and_operators_see_keys_and_change_none(
    viewer: Member, operator: Member, workspace: Workspace
) -> None:
    key, _ = make_key(make_agent(workspace))

    for somebody in (viewer, operator):
        html = somebody.get("keys/").content.decode()
        assert "Revoke" not in html
        assert "keys/new/" not in html
        assert somebody.get("keys/new/").status_code == 403
        assert somebody.post("keys/new/", agent="x2", scopes=["agent"], expires="30").status_code == 403
        assert somebody.post(f"keys/{key.pk}/rotation/", overlap="0").status_code == 403
        assert somebody.post(f"keys/{key.pk}/revocation/").status_code == 403
    assert list(keys.valid()) == [key]


def test_the_domain_asks_for_the_role_itself(operator: Member, workspace: Workspace) -> None:
    key, _ = make_key(make_agent(workspace))
    organization = workspace.organization
    person = Operator(
        operator.user.pk,
        operator.user.username,
        organization.pk,
        organization.slug,
        workspace.pk,
        Role.OPERATOR,
    )

    with pytest.raises(Forbidden):
        key_desk.create(person, "worker")
    with pytest.raises(Forbidden):
        key_desk.rotate(person, key.pk, overlap=timedelta())
    with pytest.raises(Forbidden):
        key_desk.revoke(person, key.pk)


def test_for_strangers_there_is_nothing_here(stranger: Member, admin: Member, workspace: Workspace) -> None:
    key, _ = make_key(make_agent(workspace))
    foreign, _ = make_key()

    for path in ("keys/", "keys/new/", f"keys/{key.pk}/rotation/", f"keys/{key.pk}/revocation/"):
        assert stranger.get(path).status_code == 404
    assert stranger.post(f"keys/{key.pk}/revocation/").status_code == 404
    assert admin.post(f"keys/{foreign.pk}/revocation/").status_code == 404
    assert admin.post(f"keys/{foreign.pk}/rotation/", overlap="0").status_code == 404
    assert set(keys.valid()) == {key, foreign}


def test_hostile_text_stays_text(admin: Member, workspace: Workspace) -> None:
    agent = make_agent(workspace)
    for text in HOSTILE:
        key, _ = make_key(agent)
        ApiKey.objects.filter(pk=key.pk).update(
            label=text[:100], last_used_client=text, last_used_at=timezone.now(), last_used_ip=text[:64]
        )

    html = admin.get("keys/").content.decode()

    text = assert_harmless(html).text
    assert all(each in text for each in HOSTILE)
    assert_harmless(admin.get(f"keys/{key.pk}/revocation/").content.decode())
    for each in HOSTILE[:20]:
        assert_harmless(admin.get("keys/", data={"agent": each}).content.decode())
        assert_harmless(admin.post("keys/new/", agent=each, label=each).content.decode())


@pytest.mark.parametrize(
    ("name", "status"), [("ab\x00cd", 303), ("ab" + "." * 600, 422), ("ab\ncd", 303), ("ab\ud800cd", 303)]
)
def test_a_name_that_no_column_can_hold_is_made_one_line_or_refused(
    admin: Member, name: str, status: int
) -> None:
    sent = name.encode("utf-8", "surrogatepass").decode("utf-8", "replace")

    assert admin.post("keys/new/", agent=sent, label="x", expires="7", scopes=["agent"]).status_code == status
    assert not Agent.objects.filter(name__contains="\n").exists()
