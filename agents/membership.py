"""What administrators do to the members of their organization: give another role, remove.

How one becomes a member: `invitations`.
Their role is asked here, as it is at that moment; each act leaves an audit entry. An organization that has an
administrator who can sign in keeps one, whatever is done at the same time: who changes members holds its row.
"""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import transaction
from django.db.models import QuerySet

from agents import audit, signing_in
from agents.errors import Conflict, Forbidden, Invalid, NotFound
from agents.models import Membership, Organization, Role
from agents.people import Operator
from agents.texts import checked_line

#: a member, or the name of somebody above all organizations: `human:root`
Who = Operator | str

LONGEST_REASON = 500


class LastAdministrator(Conflict):
    """An organization keeps an administrator who can sign in."""

    code = "last_administrator"
    message = "this is the last administrator; make somebody else one first"


def members(operator: Operator) -> QuerySet[Membership]:
    """The members of the organization, by name.

    Raises:
        Forbidden: the person is no administrator.
    """
    operator.require(Role.ADMIN)
    found = Membership.objects.filter(organization_id=operator.organization_id)
    return found.select_related("user").order_by("user__username")


def find(operator: Operator, membership_id: int) -> Membership:
    """Return a member of the organization.

    Raises:
        Forbidden: as above.
        NotFound: there is none of that id, at least not here.
    """
    member = members(operator).filter(pk=membership_id).first()
    if member is None:
        raise NotFound("member not found")
    return member


def change_role(who: Who, membership_id: int, role: str) -> Membership:
    """Give a member another role, in force from the next request on. The same again changes nothing.

    Raises:
        Forbidden, NotFound, Invalid: as above.
        LastAdministrator: nobody would be left who can decide.
    """
    wanted = known_role(role)
    with transaction.atomic():
        member = _locked(who, membership_id)
        before = member.role
        if before == wanted:
            return member
        _keep_an_administrator(member)
        member.role = wanted
        member.save(update_fields=["role"])
        _record(who, "member.role_changed", member, before=before, role=str(wanted))
    return member


def remove(who: Who, membership_id: int, *, reason: str = "") -> Membership:
    """End a membership: what the person has open of the organization ends within seconds.

    Who belongs to no organization any more is signed out everywhere.

    Raises:
        Forbidden, NotFound, Invalid, LastAdministrator: as above.
    """
    why = checked_line("reason", reason, longest=LONGEST_REASON)
    with transaction.atomic():
        member = _locked(who, membership_id)
        _keep_an_administrator(member)
        _record(who, "member.removed", member, reason=why, role=member.role)
        Membership.objects.filter(pk=member.pk).delete()
        user = member.user
        if not user.is_superuser and not user.memberships.exists():
            signing_in.sign_out(user)
    return member


def lock(who: Who, organization_id: UUID) -> None:
    """Let nobody else change the organization's members meanwhile, and ask whether this person still may."""
    Organization.objects.select_for_update(no_key=True).get(pk=organization_id)
    if isinstance(who, Operator):
        mine = Membership.objects.filter(user_id=who.user_id, organization_id=organization_id)
        if not mine.filter(role=Role.ADMIN).exists():
            raise Forbidden("you are no administrator any more")


def _locked(who: Who, membership_id: int) -> Membership:
    found = Membership.objects.select_related("user", "organization")
    if isinstance(who, Operator):
        who.require(Role.ADMIN)
        found = found.filter(organization_id=who.organization_id)
    member = found.filter(pk=membership_id).first()
    if member is not None:
        lock(who, member.organization_id)
        member = found.filter(pk=membership_id).first()  # as it is now that nobody else changes it
    if member is None:
        raise NotFound("member not found")
    return member


def _keep_an_administrator(member: Membership) -> None:
    """Refuse to lose the last administrator who can sign in."""
    able = (
        Membership.objects.filter(
            organization_id=member.organization_id, role=Role.ADMIN, user__is_active=True
        )
        .exclude(user__password__startswith=UNUSABLE_PASSWORD_PREFIX)
        .values_list("pk", flat=True)
    )
    if set(able) == {member.pk}:
        raise LastAdministrator


def known_role(text: str) -> Role:
    """The role of this name.

    Raises:
        Invalid: there is none.
    """
    if text not in set(Role):
        raise Invalid(f"role: one of {', '.join(Role)}")
    return Role(text)


def _record(who: Who, action: str, member: Membership, *, reason: str = "", **details: str) -> None:
    audit.record(
        who,
        action,
        f"user:{member.user_id}",
        organization_id=member.organization_id,
        target_label=member.user.get_username(),
        reason=reason,
        details=dict(details),
    )
