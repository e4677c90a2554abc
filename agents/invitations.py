"""Invitations: how somebody becomes a member, by a link that an administrator gives them and that works once.

Until it is taken up, an invitation is a place held for a name, and grants nothing. Logins are one namespace for all
organizations, so it cannot be known whether whoever has the name is who is meant: that is who holds the link. If
nobody has the name yet, they choose a password; if somebody has it, they have to be signed in as that very person. Who
invites is told the same in both cases. Of the link only a keyed hash is stored.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac

from agents import audit, membership
from agents.errors import AlreadyExists, Conflict, Invalid, NotFound
from agents.membership import Who
from agents.models import Invitation, Membership, Role
from agents.people import Operator
from agents.texts import checked_line

LONGEST_USERNAME = 150


class InvitationGone(NotFound):
    """There is no such invitation (any more)."""

    code = "invitation_gone"
    message = "this invitation is not valid any more; ask whoever sent it for a new one"


class NameTaken(Conflict):
    """Somebody has the name that is invited: only they can take the invitation up."""

    code = "name_taken"
    message = "somebody has a login of this name; sign in as them, and follow the link again"


@dataclass(frozen=True)
class Invited:
    """An invitation that has just been made, or renewed."""

    invitation: Invitation
    #: what it is taken up with; cannot be had again
    link: str


def waiting(operator: Operator) -> QuerySet[Invitation]:
    """The organization's invitations that nobody has taken up yet, by name.

    Raises:
        Forbidden: the person is no administrator.
    """
    operator.require(Role.ADMIN)
    return Invitation.objects.filter(organization_id=operator.organization_id).order_by("username")


def invite(who: Who, username: str, role: str, *, organization_id: UUID | None = None) -> Invited:
    """Hold a place for whoever has, or will have, this name.

    Raises:
        Forbidden: as above.
        Invalid: nobody can have this name, or there is no such role.
        AlreadyExists: the person is a member, or invited.
    """
    tenant = who.organization_id if isinstance(who, Operator) else organization_id
    assert tenant is not None, "whoever is above all organizations says which"
    if isinstance(who, Operator):
        who.require(Role.ADMIN)
    wanted, name = membership.known_role(role), _username(username)
    with transaction.atomic():
        membership.lock(who, tenant)
        member = Membership.objects.filter(organization_id=tenant, user__username__iexact=name)
        if (there := member.select_related("user").first()) is not None:
            raise AlreadyExists(f"{there.user.username} is a member already")
        if Invitation.objects.filter(organization_id=tenant, username__iexact=name).exists():
            raise AlreadyExists(f"{name} is invited already; the list above makes a new link")
        link = _new_link()
        invitation = Invitation.objects.create(
            organization_id=tenant, username=name, role=wanted, digest=_digest(link)
        )
        _record(who, "member.invited", invitation)
    return Invited(invitation, link)


def renew(operator: Operator, invitation_id: int) -> Invited:
    """Make a new link for an invitation. The old one is worth nothing any more.

    Raises:
        Forbidden: as above.
        NotFound: there is none of that id, at least not here and not any more.
    """
    with transaction.atomic():
        invitation, link = _locked(operator, invitation_id), _new_link()
        Invitation.objects.filter(pk=invitation.pk).update(digest=_digest(link), renewed_at=Now())
        _record(operator, "member.invited", invitation)
    return Invited(invitation, link)


def withdraw(operator: Operator, invitation_id: int) -> Invitation:
    """Hold the place no longer.

    Raises:
        Forbidden, NotFound: as above.
    """
    with transaction.atomic():
        invitation = _locked(operator, invitation_id)
        _record(operator, "invitation.withdrawn", invitation)
        Invitation.objects.filter(pk=invitation.pk).delete()
    return invitation


def invited(link: str) -> Invitation:
    """The invitation that this link belongs to.

    Raises:
        InvitationGone: none, (not) any more.
    """
    oldest = Now() - timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)
    held = Invitation.objects.filter(digest=_digest(link), renewed_at__gt=oldest)
    invitation = held.select_related("organization").first()
    if invitation is None:
        raise InvitationGone
    return invitation


def is_for(invitation: Invitation, user: User) -> bool:
    """Whether this person is the one who has the name."""
    holder = _holder(invitation.username)
    return holder is not None and holder.pk == user.pk


def take_up(link: str, user: User) -> Membership:
    """Make the person, who is signed in and has the name, a member.

    Raises:
        InvitationGone: somebody was quicker, or it is not valid any more, or it is somebody else's.
    """
    with transaction.atomic():
        invitation = _taken(link)
        if not is_for(invitation, user):
            raise InvitationGone
        return _joined(invitation, user)


def take_up_anew(link: str, password: str) -> Membership:
    """Make a login of the invited name and this password, and the person a member.

    Raises:
        InvitationGone: as above.
        NameTaken: somebody has the name.
    """
    with transaction.atomic():
        invitation = _taken(link)
        with connection.cursor() as cursor:  # no two make logins whose names differ in their case alone
            cursor.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('login ' || lower(%s), 0))",
                [invitation.username],
            )
        if _holder(invitation.username) is not None:
            raise NameTaken
        return _joined(invitation, User.objects.create_user(invitation.username, password=password))


def _taken(link: str) -> Invitation:
    """The invitation, held so that nobody else takes it up, renews or withdraws it."""
    membership.lock("system", invited(link).organization_id)
    return invited(link)


def _joined(invitation: Invitation, user: User) -> Membership:
    member, is_new = Membership.objects.get_or_create(
        user=user, organization_id=invitation.organization_id, defaults={"role": invitation.role}
    )
    Invitation.objects.filter(pk=invitation.pk).delete()
    if is_new:  # else a superuser has made them a member meanwhile
        audit.record(
            f"human:{user.get_username()}",
            "member.joined",
            f"user:{user.pk}",
            organization_id=member.organization_id,
            target_label=user.get_username(),
            details={"role": member.role, "invitation": str(invitation.pk)},
        )
    return member


def _locked(operator: Operator, invitation_id: int) -> Invitation:
    operator.require(Role.ADMIN)
    membership.lock(operator, operator.organization_id)
    invitation = waiting(operator).filter(pk=invitation_id).first()
    if invitation is None:
        raise NotFound("invitation not found")
    return invitation


def _holder(name: str) -> User | None:
    """Who has the name: exactly, or but for its case."""
    alike = list(User.objects.filter(username__iexact=name).order_by("pk"))
    return next((user for user in alike if user.username == name), alike[0] if alike else None)


def _username(text: str) -> str:
    name = User.normalize_username(checked_line("name", text, longest=LONGEST_USERNAME, is_needed=True))
    try:
        UnicodeUsernameValidator()(name)
    except ValidationError:
        raise Invalid("name: letters, digits and @ . + - _ only") from None
    if len(name) > LONGEST_USERNAME:
        raise Invalid(f"name: at most {LONGEST_USERNAME} characters")
    return name


def _new_link() -> str:
    return secrets.token_urlsafe(32)


def _digest(link: str) -> str:
    return salted_hmac(__name__, link.encode("utf-8", "replace"), algorithm="sha256").hexdigest()


def _record(who: Who, action: str, invitation: Invitation) -> None:
    audit.record(
        who,
        action,
        f"invitation:{invitation.pk}",
        organization_id=invitation.organization_id,
        target_label=invitation.username,
        details={"role": invitation.role},
    )
