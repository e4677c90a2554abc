"""The settings page: administrators name, divide and people their organization; for all others it is not there."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client

from agents.models import AuditEntry, Invitation, Membership, Role, Workspace
from tests.agents.pages.conftest import Member, member
from tests.factories import make_invitation, make_organization, make_user, make_workspace
from tests.intents.pages.hostile import HOSTILE
from tests.intents.pages.markup import assert_harmless

LINK = re.compile(r"/invitation/\?of=[\w-]+")
PASSWORD = "a long winded sentence"


def role_of(username: str) -> str | None:
    return Membership.objects.filter(user__username=username).values_list("role", flat=True).first()


def actions() -> list[str]:
    names = AuditEntry.objects.exclude(action__startswith="person.").values_list("action", flat=True)
    return list(names.order_by("pk"))


def invite(admin: Member, username: str = "newcomer", role: str = "operator") -> str:
    """The address that the administrator is shown for somebody new."""
    answer = admin.post("settings/members/", username=username, role=role)
    assert answer.status_code == 303, answer.content.decode()
    shown = admin.client.get(answer["Location"]).content.decode()
    [link] = set(LINK.findall(unescape(shown)))
    return str(link)


def take_up(link: str, password: str = PASSWORD) -> tuple[Client, int]:
    """Somebody with a fresh browser follows the link and chooses a password."""
    client = Client()
    form = {"of": link.partition("of=")[2], "new_password1": password, "new_password2": password}
    return client, client.post("/invitation/", form).status_code


def test_somebody_new_follows_a_link_that_is_shown_once_and_works_once(admin: Member) -> None:
    link = invite(admin)

    assert link not in admin.get("settings/").content.decode()
    client, status = take_up(link)
    assert status == 302
    assert client.get(admin.root).status_code == 200
    assert User.objects.get(username="newcomer").check_password(PASSWORD)
    assert Client().get(link).status_code == take_up(link, "another long sentence")[1] == 404
    assert User.objects.get(username="newcomer").check_password(PASSWORD)
    assert actions() == ["member.invited", "member.joined"]


def test_reloading_the_page_with_the_link_shows_it_no_more_and_invites_nobody(admin: Member) -> None:
    answer = admin.post("settings/members/", username="newcomer", role="viewer")

    first, second = (admin.client.get(answer["Location"]).content.decode() for _ in range(2))

    assert LINK.search(unescape(first))
    assert "cannot be shown again" in second
    assert not LINK.search(unescape(second))
    assert actions() == ["member.invited"]


def test_the_link_is_of_no_use_to_another_administrator(admin: Member, workspace: Workspace) -> None:
    answer = admin.post("settings/members/", username="newcomer", role="viewer")

    other = member(workspace, Role.ADMIN).client.get(answer["Location"]).content.decode()

    assert not LINK.search(unescape(other))


def test_a_weak_password_is_refused_and_the_link_goes_on_working(admin: Member) -> None:
    link = invite(admin)

    assert take_up(link, "12345678")[1] == 422
    assert take_up(link)[1] == 302


def test_a_new_link_ends_the_old_one(admin: Member) -> None:
    old = invite(admin)
    pk = Invitation.objects.get().pk

    answer = admin.post(f"settings/invitations/{pk}/renewal/")
    [new] = set(LINK.findall(unescape(admin.client.get(answer["Location"]).content.decode())))

    assert take_up(old)[1] == 404
    assert take_up(new)[1] == 302
    assert admin.post(f"settings/invitations/{pk}/renewal/").status_code == 404


def test_an_invitation_that_was_taken_back_is_worth_nothing(admin: Member) -> None:
    link = invite(admin)

    answer = admin.post(f"settings/invitations/{Invitation.objects.get().pk}/withdrawal/")

    assert answer.status_code == 303
    assert take_up(link)[1] == 404
    assert take_up(invite(admin))[1] == 302, "and begins anew"
    assert actions() == ["member.invited", "invitation.withdrawn", "member.invited", "member.joined"]


@pytest.mark.parametrize(
    ("typed", "status"),
    [
        ({"username": ""}, 422),
        ({"username": "two words"}, 422),
        ({"username": "x" * 151}, 422),
        ({"username": "\x00"}, 422),
        ({"role": "emperor"}, 422),
        ({"role": ""}, 422),
        ({"username": "ADA"}, 409),
        ({"username": "Held"}, 409),
    ],
)
def test_who_cannot_be_invited_is_said_and_nobody_is(
    admin: Member, typed: dict[str, str], status: int
) -> None:
    make_user("ada", organization=admin.workspace.organization)
    make_invitation(admin.workspace.organization, "held")

    answer = admin.post("settings/members/", **({"username": "newcomer", "role": "viewer"} | typed))

    assert answer.status_code == status
    assert 'role="alert"' in answer.content.decode()
    assert Invitation.objects.get().username == "held"
    assert actions() == []


def test_a_role_is_changed_in_force_at_once_and_noted_once(admin: Member, viewer: Member) -> None:
    pk = viewer.user.memberships.get().pk

    for _ in range(2):
        assert admin.post(f"settings/members/{pk}/role/", role="operator").status_code == 303

    assert viewer.get("audit/").status_code == 200
    entry = AuditEntry.objects.get(action="member.role_changed")
    assert entry.details == {"before": "viewer", "role": "operator"}
    assert admin.post(f"settings/members/{pk}/role/", role="emperor").status_code == 422


def test_who_is_removed_finds_nothing_any_more_and_is_signed_out(admin: Member, viewer: Member) -> None:
    pk = viewer.user.memberships.get().pk

    assert (
        "is told nothing more, within seconds"
        in admin.get(f"settings/members/{pk}/removal/").content.decode()
    )
    assert admin.post(f"settings/members/{pk}/removal/", reason="left us").status_code == 303

    assert viewer.get("").status_code == 302, "the only organization they had"
    viewer.client.force_login(viewer.user)
    assert viewer.get("").status_code == 404
    entry = AuditEntry.objects.get(action="member.removed")
    assert (entry.target_label, entry.reason) == (viewer.user.username, "left us")


def test_who_is_removed_stays_in_their_other_organizations(admin: Member, viewer: Member) -> None:
    elsewhere = make_workspace()
    Membership.objects.create(user=viewer.user, organization=elsewhere.organization)
    pk = viewer.user.memberships.get(organization=admin.workspace.organization).pk

    admin.post(f"settings/members/{pk}/removal/")

    assert viewer.get("").status_code == 404
    assert Member(viewer.client, viewer.user, elsewhere).get("").status_code == 200


def test_the_last_administrator_stays_one(admin: Member, viewer: Member) -> None:
    pk = admin.user.memberships.get().pk
    make_user("promised")
    invite(admin, "promised", "admin")  # has not come yet, and so could not decide anything

    for answer in (
        admin.post(f"settings/members/{pk}/role/", role="viewer"),
        admin.post(f"settings/members/{pk}/removal/"),
    ):
        assert answer.status_code == 409
        assert "last administrator" in answer.content.decode()
    assert role_of(admin.user.username) == Role.ADMIN

    admin.post(f"settings/members/{viewer.user.memberships.get().pk}/role/", role="admin")
    assert admin.post(f"settings/members/{pk}/removal/").status_code == 303
    assert viewer.get("settings/").status_code == 200


def test_workspaces_are_made_and_renamed_and_every_member_sees_them(admin: Member, viewer: Member) -> None:
    assert admin.post("settings/workspaces/", slug="staging", name="Staging").status_code == 303
    made = Workspace.objects.get(slug="staging")
    assert admin.post(f"settings/workspaces/{made.pk}/", name="Rehearsal").status_code == 303

    there = Member(viewer.client, viewer.user, made)
    assert there.get("").status_code == 200
    html = there.get("").content.decode()
    assert "Rehearsal" in html
    assert f'href="{viewer.root}"' in html, "the switcher leads back"
    assert actions() == ["workspace.created", "workspace.renamed"]


@pytest.mark.parametrize(
    ("slug", "name", "status"),
    [("ab", "x", 422), ("Staging", "x", 422), ("a b c", "x", 422), ("sta_ging", "x", 422), ("-ab", "x", 422),
     ("staging\n", "", 422), ("staging", " ", 422), ("staging", "x" * 101, 422), ("production", "x", 409)],
)  # fmt: skip
def test_a_workspace_that_cannot_be_is_explained(admin: Member, slug: str, name: str, status: int) -> None:
    answer = admin.post("settings/workspaces/", slug=slug, name=name)

    assert answer.status_code == status
    assert 'role="alert"' in answer.content.decode()
    assert Workspace.objects.filter(organization=admin.workspace.organization).count() == 1


def test_the_organization_is_renamed_and_its_slug_stays(admin: Member) -> None:
    slug = admin.workspace.organization.slug

    assert admin.post("settings/organization/", name="  Acme\n Inc. ", slug="other").status_code == 303
    assert admin.post("settings/organization/", name="").status_code == 422

    admin.workspace.organization.refresh_from_db()
    assert (admin.workspace.organization.name, admin.workspace.organization.slug) == ("Acme Inc.", slug)
    assert actions() == ["organization.renamed"]


def test_viewers_and_operators_may_not_also_not_by_hand(
    viewer: Member, operator: Member, admin: Member
) -> None:
    theirs, held = admin.user.memberships.get().pk, make_invitation(admin.workspace.organization).pk
    posts = {
        "settings/organization/": {"name": "Mine"},
        "settings/workspaces/": {"slug": "mine", "name": "Mine"},
        f"settings/workspaces/{admin.workspace.pk}/": {"name": "Mine"},
        "settings/members/": {"username": "accomplice", "role": "admin"},
        f"settings/members/{viewer.user.memberships.get().pk}/role/": {"role": "admin"},
        f"settings/members/{theirs}/removal/": {},
        f"settings/invitations/{held}/renewal/": {},
        f"settings/invitations/{held}/withdrawal/": {},
    }

    for somebody in (viewer, operator):
        assert somebody.get("settings/").status_code == 403
        assert "settings/" not in somebody.get("").content.decode()
        for path, form in posts.items():
            assert somebody.post(path, **form).status_code == 403
    assert actions() == []
    assert Membership.objects.count() == 3


def test_strangers_find_nothing_and_reach_nobody_through_their_own_settings(
    stranger: Member, admin: Member
) -> None:
    pk, held = admin.user.memberships.get().pk, make_invitation(admin.workspace.organization).pk
    own = Member(
        stranger.client, stranger.user, make_workspace(stranger.user.memberships.get().organization, "own")
    )

    for path in ("settings/", "settings/members/", f"settings/members/{pk}/removal/", "settings/invited/x/"):
        assert stranger.get(path).status_code == stranger.post(path).status_code == 404
    assert own.post(f"settings/members/{pk}/role/", role="viewer").status_code == 404
    assert own.post(f"settings/members/{pk}/removal/").status_code == 404
    assert own.post(f"settings/invitations/{held}/renewal/").status_code == 404
    assert own.post(f"settings/invitations/{held}/withdrawal/").status_code == 404
    assert own.post(f"settings/workspaces/{admin.workspace.pk}/", name="Mine").status_code == 404
    assert actions() == []


def test_who_comes_back_to_the_address_of_a_form_is_led_to_the_page(admin: Member) -> None:
    for path in ("organization/", "workspaces/", "members/"):
        answer = admin.get(f"settings/{path}")
        assert (answer.status_code, answer["Location"]) == (303, f"{admin.root}settings/")


def test_a_form_from_elsewhere_is_refused(admin: Member) -> None:
    forged = Client(enforce_csrf_checks=True)
    forged.force_login(admin.user)

    answer = forged.post(admin.root + "settings/members/", {"username": "accomplice", "role": "admin"})

    assert answer.status_code == 403
    assert forged.post("/invitation/", {"of": "1-x"}).status_code == 403
    assert not Invitation.objects.exists()


@pytest.mark.parametrize("text", ["", "1", "x-y", "-", "9" * 40 + "-x", "1-bm90-x\x00", "²-x"])
def test_what_is_no_invitation_is_told_so(client: Client, text: str, db: None) -> None:
    assert client.get("/invitation/", {"of": text}).status_code == 404


def test_an_invitation_goes_stale(admin: Member, settings: object) -> None:
    link = invite(admin)
    settings.PASSWORD_RESET_TIMEOUT = -1  # type: ignore[attr-defined]

    assert take_up(link)[1] == 404


def test_hostile_text_stays_text(admin: Member) -> None:
    for number, text in enumerate(HOSTILE):
        make_workspace(admin.workspace.organization, f"hostile-{number}")
        Workspace.objects.filter(slug=f"hostile-{number}").update(name=text)

    shown = assert_harmless(admin.get("settings/").content.decode())

    values = {value for tag, attributes in shown.tags for value in attributes.values()}
    assert all(each in values for each in HOSTILE)
    for each in HOSTILE[:5]:
        assert_harmless(admin.post("settings/members/", username=each, role=each).content.decode())
        assert_harmless(admin.post("settings/workspaces/", slug=each, name=each).content.decode())
        assert_harmless(admin.post("settings/organization/", name=each * 9).content.decode())


def test_the_switcher_names_all_that_one_belongs_to_and_nothing_else(admin: Member) -> None:
    second = make_workspace(admin.workspace.organization, "second")
    other, foreign = make_workspace(make_organization("globex")), make_workspace(make_organization("initech"))
    Membership.objects.create(user=admin.user, organization=other.organization)

    html = admin.get("").content.decode()

    for each in (admin.workspace, second, other):
        assert f'href="/o/{each.organization.slug}/{each.slug}/"' in html
    assert f"/o/{foreign.organization.slug}/" not in html
