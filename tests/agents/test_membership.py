"""Members in the domain: roles are asked where it happens, also of those who act at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from agents import invitations, membership, organizing
from agents.errors import ApiError, Forbidden, NotFound
from agents.membership import LastAdministrator
from agents.models import AuditEntry, Invitation, Membership, Organization, Role, Workspace
from agents.people import Operator
from tests.factories import make_invitation, make_organization, make_user, make_workspace
from tests.intents.racing import at_once

LINK_PATH = "/invitation/?of="
PASSWORD = "a long winded sentence"


def person(workspace: Workspace, role: Role) -> Operator:
    """A member at work, with the role that they have now."""
    user = make_user(organization=workspace.organization, role=role)
    organization = workspace.organization
    return Operator(user.pk, user.username, organization.pk, organization.slug, workspace.pk, role)


def pk_of(operator: Operator) -> int:
    return Membership.objects.get(user=operator.user_id, organization=operator.organization_id).pk


def outcome(call: Callable[[], object]) -> str:
    """What became of it, in a word."""
    try:
        call()
    except ApiError as error:
        return type(error).__name__
    return "done"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", ["remove", "demote"])
def test_of_two_administrators_who_turn_on_each_other_one_stays(act: str) -> None:
    workspace = make_workspace()
    for _ in range(8):
        Membership.objects.all().delete()
        ada, ben = person(workspace, Role.ADMIN), person(workspace, Role.ADMIN)
        turns = [(ada, pk_of(ben)), (ben, pk_of(ada))]
        calls = [
            partial(membership.remove, who, whom)
            if act == "remove"
            else partial(membership.change_role, who, whom, "viewer")
            for who, whom in turns
        ]

        outcomes = at_once([partial(outcome, call) for call in calls])

        assert sorted(outcomes) == ["Forbidden", "done"]
        assert Membership.objects.filter(role=Role.ADMIN).count() == 1


@pytest.mark.django_db(transaction=True)
def test_administrators_who_leave_at_the_same_moment_leave_one() -> None:
    workspace = make_workspace()
    for _ in range(8):
        Membership.objects.all().delete()
        leaving = [person(workspace, Role.ADMIN) for _ in range(4)]

        calls = [partial(membership.remove, each, pk_of(each)) for each in leaving]
        outcomes = at_once([partial(outcome, call) for call in calls])

        assert sorted(outcomes) == ["LastAdministrator", "done", "done", "done"]
        assert Membership.objects.filter(role=Role.ADMIN).count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_those_who_take_a_name_at_the_same_moment_one_gets_it() -> None:
    names = ["newcomer", "Newcomer", "NEWCOMER", "newcomer"]
    links = [invitations.invite(person(make_workspace(), Role.ADMIN), name, "viewer").link for name in names]

    outcomes = at_once(
        [partial(outcome, partial(invitations.take_up_anew, each, PASSWORD)) for each in links]
    )

    assert sorted(outcomes) == ["NameTaken", "NameTaken", "NameTaken", "done"]
    assert User.objects.get(username__iexact="newcomer").memberships.count() == 1


@pytest.mark.django_db(transaction=True)
def test_an_invitation_is_accepted_once_also_at_the_same_moment() -> None:
    link = invitations.invite(person(make_workspace(), Role.ADMIN), "newcomer", "viewer").link
    passwords = [f"a long winded sentence {number}" for number in range(4)]

    outcomes = at_once(
        [partial(outcome, partial(invitations.take_up_anew, link, each)) for each in passwords]
    )

    assert sorted(outcomes) == ["InvitationGone"] * 3 + ["done"]
    assert User.objects.get(username="newcomer").check_password(passwords[outcomes.index("done")])


@pytest.mark.django_db
@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_the_domain_asks_for_the_role_itself(role: Role) -> None:
    workspace = make_workspace()
    somebody, admin = person(workspace, role), person(workspace, Role.ADMIN)
    held = make_invitation(workspace.organization)
    attempts: list[Callable[[], object]] = [
        lambda: membership.members(somebody),
        lambda: invitations.waiting(somebody),
        lambda: invitations.invite(somebody, "newcomer", "viewer"),
        lambda: invitations.renew(somebody, held.pk),
        lambda: invitations.withdraw(somebody, held.pk),
        lambda: membership.change_role(somebody, pk_of(somebody), "admin"),
        lambda: membership.remove(somebody, pk_of(admin)),
        lambda: organizing.rename(somebody, "Mine"),
        lambda: organizing.create_workspace(somebody, "mine", "Mine"),
        lambda: organizing.rename_workspace(somebody, workspace.pk, "Mine"),
    ]

    for attempt in attempts:
        with pytest.raises(Forbidden):
            attempt()
    assert not AuditEntry.objects.exists()


@pytest.mark.django_db
def test_whoever_was_demoted_a_moment_ago_decides_nothing() -> None:
    workspace = make_workspace()
    was_admin, other = person(workspace, Role.ADMIN), person(workspace, Role.ADMIN)
    membership.change_role(other, pk_of(was_admin), "viewer")

    with pytest.raises(Forbidden):
        membership.change_role(was_admin, pk_of(was_admin), "admin")
    with pytest.raises(Forbidden):
        invitations.invite(was_admin, "accomplice", "admin")
    assert not Invitation.objects.exists()


@pytest.mark.django_db
def test_another_organizations_members_are_not_found() -> None:
    admin, other = person(make_workspace(), Role.ADMIN), person(make_workspace(), Role.ADMIN)
    theirs = make_invitation(Organization.objects.get(pk=other.organization_id))

    assert not invitations.waiting(admin).exists()
    for act in (
        partial(membership.find, admin, pk_of(other)),
        partial(membership.remove, admin, pk_of(other)),
        partial(membership.change_role, admin, pk_of(other), "viewer"),
        partial(invitations.renew, admin, theirs.pk),
        partial(invitations.withdraw, admin, theirs.pk),
    ):
        with pytest.raises(NotFound):
            act()


@pytest.mark.django_db
def test_an_administrator_whose_login_is_closed_does_not_count() -> None:
    workspace = make_workspace()
    admin, closed = person(workspace, Role.ADMIN), person(workspace, Role.ADMIN)
    User.objects.filter(pk=closed.user_id).update(is_active=False)

    with pytest.raises(LastAdministrator):
        membership.change_role(admin, pk_of(admin), "operator")
    membership.remove(admin, pk_of(closed))


@pytest.mark.django_db
def test_an_organization_is_founded_from_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("create_organization", "globex", "--admin", "ada", "--name", "Globex Corporation")

    said = capsys.readouterr().out
    organization = Organization.objects.get(slug="globex")
    assert organization.name == "Globex Corporation"
    assert [each.slug for each in organization.workspaces.all()] == ["production"]
    assert invitations.invited(said.partition(LINK_PATH)[2].strip()).username == "ada"
    assert not User.objects.exists(), "nobody is a member before they have come"
    assert organization.invitations.get().role == Role.ADMIN
    noted = AuditEntry.objects.filter(organization=organization).order_by("pk")
    assert [entry.action for entry in noted] == [
        "organization.created",
        "workspace.created",
        "member.invited",
    ]
    assert all(entry.actor.startswith("shell:") for entry in noted)


@pytest.mark.django_db
def test_what_cannot_be_founded_is_explained_and_leaves_nothing() -> None:
    make_organization("acme")

    for slug, admin in (("acme", "ada"), ("ab", "ada"), ("globex", "two words")):
        with pytest.raises(CommandError):
            call_command("create_organization", slug, "--admin", admin)
    assert Organization.objects.count() == 1
    assert not Invitation.objects.exists()
