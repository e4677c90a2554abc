"""What administrators do to the members of their organization: add, invite, give another role, remove.

Their role is asked here, as it is at that moment; each act leaves an audit entry. An organization that has an
administrator who can sign in keeps one, whatever is done at the same time: who changes members holds its row.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import User
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from agents import audit, invitations, signing_in
from agents.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound
from agents.models import Membership, Organization, Role
from agents.people import Operator
from agents.texts import checked_line

#: a member, or the name of somebody above all organizations: `human:root`
Who = Operator | str

LONGEST_USERNAME = 150
LONGEST_REASON = 500


class LastAdministrator(Conflict):
    """An organization keeps an administrator who can sign in."""

    code = "last_administrator"
    message = "this is the last administrator; make somebody else one first"


@dataclass(frozen=True)
class Added:
    """A member who has just been added, or invited anew."""

    membership: Membership
    #: what somebody who is new chooses a password with; cannot be had again
    invitation: str = ""


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


def add(who: Who, username: str, role: str, *, organization_id: UUID | None = None) -> Added:
    """Make somebody a member: a person who has a login here, or somebody new, who is invited to choose a password.

    Raises:
        Forbidden: as above.
        Invalid: nobody can have this name, or there is no such role.
        AlreadyExists: the person is a member.
        Conflict: the person's login is closed, or has not been taken up since another organization gave it to them.
    """
    tenant = who.organization_id if isinstance(who, Operator) else organization_id
    assert tenant is not None, "whoever is above all organizations says which"
    if isinstance(who, Operator):
        who.require(Role.ADMIN)
    wanted, name = _role(role), _username(username)
    with transaction.atomic():
        _lock(who, tenant)
        user = _person(name)
        if user.memberships.filter(organization_id=tenant).exists():
            raise AlreadyExists(f"{user.username} is a member already")
        invitation = _invited(user) if invitations.is_pending(user) else ""
        member = Membership.objects.create(user=user, organization_id=tenant, role=wanted)
        _record(who, "member.invited" if invitation else "member.added", member, role=str(wanted))
    return Added(member, invitation)


def invite_again(operator: Operator, membership_id: int) -> Added:
    """Make a new invitation for a member who has not chosen a password. The old one is worth nothing any more.

    Raises:
        Forbidden, NotFound: as above.
        Conflict: the member has chosen one.
    """
    with transaction.atomic():
        member = _locked(operator, membership_id)
        user = User.objects.select_for_update().get(pk=member.user_id)
        if not invitations.is_pending(user):
            raise Conflict(f"{user.username} has chosen a password already")
        invitation = _invited(user, but=member)
        _record(operator, "member.invited", member, role=member.role)
    return Added(member, invitation)


def change_role(who: Who, membership_id: int, role: str) -> Membership:
    """Give a member another role, in force from the next request on. The same again changes nothing.

    Raises:
        Forbidden, NotFound, Invalid: as above.
        LastAdministrator: nobody would be left who can decide.
    """
    wanted = _role(role)
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


def _lock(who: Who, organization_id: UUID) -> None:
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
        _lock(who, member.organization_id)
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


def _person(name: str) -> User:
    """Whose login this is; if nobody's, somebody new, who cannot sign in yet. Nobody else changes it meanwhile."""
    if (known := _known(name)) is None:
        try:
            with transaction.atomic():
                known = User.objects.create_user(name)
        except IntegrityError:  # somebody else was quicker by an instant
            known = _known(name)
            assert known is not None
    if known.username != name:
        raise Conflict(
            f"there is a person named {known.username} already; names differ in more than their case"
        )
    if not known.is_active:
        raise Conflict(f"the login of {name} is closed")
    return known


def _known(name: str) -> User | None:
    alike = User.objects.select_for_update().filter(username__iexact=name).order_by("pk")
    return next((user for user in alike if user.username == name), None) or alike.first()


def _invited(user: User, *, but: Membership | None = None) -> str:
    """An invitation, if nobody else has a say about the person's login: who holds the link becomes the person."""
    elsewhere = user.memberships.exclude(pk=but.pk) if but else user.memberships.all()
    if elsewhere.exists() or user.is_staff or user.is_superuser or user.last_login is not None:
        raise Conflict(
            f"{user.username} has to choose a password first, as somebody else has invited them to"
        )
    return invitations.renew(user)


def _role(text: str) -> Role:
    if text not in set(Role):
        raise Invalid(f"role: one of {', '.join(Role)}")
    return Role(text)


def _username(text: str) -> str:
    name = User.normalize_username(checked_line("name", text, longest=LONGEST_USERNAME, is_needed=True))
    try:
        UnicodeUsernameValidator()(name)
    except ValidationError:
        raise Invalid("name: letters, digits and @ . + - _ only") from None
    if len(name) > LONGEST_USERNAME:
        raise Invalid(f"name: at most {LONGEST_USERNAME} characters")
    return name


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
