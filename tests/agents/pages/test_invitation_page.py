"""Taking up an invitation: a name is no proof of who somebody is, so only who holds the link becomes a member."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from agents.models import AuditEntry, Invitation, Membership, Role
from tests.agents.pages.conftest import Member
from tests.agents.pages.test_settings_page import PASSWORD, actions, invite, take_up
from tests.factories import make_organization, make_user, make_workspace


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def join(client: Client, link: str) -> int:
    """Press the button behind the link."""
    return client.post("/invitation/", {"of": link.partition("of=")[2]}).status_code


def entries_of(member: Member) -> list[str]:
    """What the member's organization is told."""
    noted = AuditEntry.objects.filter(organization=member.workspace.organization)
    return list(noted.order_by("pk").values_list("action", flat=True))


def test_somebody_who_has_a_login_joins_as_who_they_are_by_a_link(admin: Member) -> None:
    ada = make_user("ada")
    link, browser = invite(admin, "ada", "operator"), signed_in(ada)

    assert browser.get(admin.root).status_code == 404, "not before they have come"
    assert "Join" in browser.get(link).content.decode()
    answer = browser.post("/invitation/", {"of": link.partition("of=")[2]})

    assert answer["Location"] == admin.root
    assert browser.get(admin.root).status_code == 200
    assert ada.memberships.get().role == Role.OPERATOR
    assert User.objects.get(pk=ada.pk).password == ada.password
    assert actions() == ["member.invited", "member.joined"]
    assert AuditEntry.objects.get(action="member.joined").actor == "human:ada"
    assert join(browser, link) == 404, "it works once"


def test_who_has_taken_the_name_elsewhere_becomes_no_member_without_the_link(
    admin: Member, stranger: Member
) -> None:
    theirs = Member(
        stranger.client, stranger.user, make_workspace(stranger.user.memberships.get().organization, "own")
    )
    squatter, _ = take_up(invite(theirs, "ceo@acme.example", "admin"))

    invite(admin, "ceo@acme.example", "admin")

    assert squatter.get(admin.root).status_code == 404
    assert not Membership.objects.filter(
        user__username="ceo@acme.example", organization=admin.workspace.organization
    ).exists()


def test_who_is_invited_and_has_not_come_is_neither_seen_nor_counted(admin: Member) -> None:
    ada = make_user("ada")
    invite(admin, "ada", "admin")
    before = entries_of(admin)

    browser = Client()
    browser.post("/login/", {"username": "ada", "password": "correct horse battery staple"})
    browser.post("/account/sessions/end/")
    browser.post("/logout/")

    assert entries_of(admin) == before, "whoever invites a name is not told where its person signs in"
    own = admin.user.memberships.get().pk
    assert admin.post(f"settings/members/{own}/removal/").status_code == 409
    assert admin.post(f"settings/members/{own}/role/", role="viewer").status_code == 409
    assert not ada.memberships.exists()


@pytest.mark.parametrize("name", ["ada", "gone", "root", "nobody-yet"])
def test_who_invites_is_told_the_same_whether_anybody_has_the_name(admin: Member, name: str) -> None:
    make_user("ada", organization=make_organization())
    make_user("root", is_superuser=True)
    User.objects.filter(pk=make_user("gone").pk).update(is_active=False)

    answer = admin.post("settings/members/", username=name, role="viewer")
    shown = admin.client.get(answer["Location"]).content.decode()

    assert (answer.status_code, "/settings/invited/" in answer["Location"]) == (303, True)
    assert f"{name} is invited" in shown
    entry = AuditEntry.objects.get(action="member.invited")
    assert (entry.target, entry.target_label) == (f"invitation:{Invitation.objects.get().pk}", name)
    listed = admin.get("settings/").content.decode()
    assert "is no member before" in listed
    link = invite_again(admin)
    assert "I have a login" in (page := Client().get(link).content.decode())
    assert "Choose a password" in page


def invite_again(admin: Member) -> str:
    answer = admin.post(f"settings/invitations/{Invitation.objects.get().pk}/renewal/")
    shown = admin.client.get(answer["Location"]).content.decode()
    return str(shown.partition('id="link">')[2].partition("<")[0])


@pytest.mark.parametrize("name", ["ada", "ADA"])
def test_nobody_takes_over_a_login_by_an_invitation_for_its_name(admin: Member, name: str) -> None:
    ada = make_user("ada")
    link = invite(admin, name)

    assert take_up(link)[1] == 409
    assert join(signed_in(make_user("mallory")), link) == 422, "as somebody new, and no password is chosen"

    assert User.objects.get(pk=ada.pk).password == ada.password
    assert Membership.objects.count() == 1
    assert join(signed_in(ada), link) == 302, "and for whom it is, it goes on working"


def test_somebody_else_who_is_signed_in_is_told_and_loses_nothing(admin: Member, viewer: Member) -> None:
    link = invite(admin)

    page = viewer.client.get(link).content.decode()
    assert f"You are signed in as {viewer.user.username}" in page
    form = {"of": link.partition("of=")[2], "new_password1": PASSWORD, "new_password2": PASSWORD}
    assert viewer.client.post("/invitation/", form).status_code == 302

    assert viewer.user.memberships.count() == 1
    assert int(viewer.client.session["_auth_user_id"]) == User.objects.get(username="newcomer").pk


def test_the_way_over_the_login_leads_back_to_the_invitation(admin: Member) -> None:
    make_user("ada")
    link, browser = invite(admin, "ada"), Client()
    page = browser.get(link).content.decode()
    login = "/login/?" + page.partition('href="/login/?')[2].partition('"')[0]

    assert browser.get(login).status_code == 200
    answer = browser.post(login, {"username": "ada", "password": "correct horse battery staple"})

    assert answer["Location"] in link
    assert join(browser, link) == 302


def test_whom_a_superuser_has_added_meanwhile_keeps_the_role_that_they_have(admin: Member) -> None:
    ada = make_user("ada")
    link = invite(admin, "ada", "admin")
    Membership.objects.create(user=ada, organization=admin.workspace.organization, role=Role.VIEWER)

    assert join(signed_in(ada), link) == 302

    assert ada.memberships.get().role == Role.VIEWER
    assert not Invitation.objects.exists()
