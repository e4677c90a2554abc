"""Invitations: how somebody who is new chooses a password, once, by a link that an administrator gives them.

The link is not stored. It is a keyed hash over what accepting it changes, the password: so it works once, for as long
as `PASSWORD_RESET_TIMEOUT` says, and not any more when it has been renewed or the person has been removed.
"""

from __future__ import annotations

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import User
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db import transaction

from agents import signing_in
from agents.errors import NotFound


class InvitationGone(NotFound):
    """There is no such invitation (any more)."""

    code = "invitation_gone"
    message = "this invitation is not valid any more; ask whoever sent it for a new one"


class _Tokens(PasswordResetTokenGenerator):
    key_salt = "agents.invitations"


_tokens = _Tokens()


def is_pending(user: User) -> bool:
    """Whether the person has yet to choose a password."""
    return user.password.startswith(UNUSABLE_PASSWORD_PREFIX)


def renew(user: User) -> str:
    """Make an invitation. Those made before are worth nothing from now on."""
    user.set_unusable_password()
    user.save(update_fields=["password"])
    return f"{user.pk}-{_tokens.make_token(user)}"


def invited(text: str) -> User:
    """Who is invited by this.

    Raises:
        InvitationGone: nobody, (not) any more.
    """
    number, _, token = text.partition("-")
    is_number = number.isascii() and number.isdigit() and len(number) < 18
    user = User.objects.filter(pk=int(number), is_active=True).first() if is_number else None
    if (
        user is None
        or not is_pending(user)
        or not _tokens.check_token(user, token)
        or not user.memberships.exists()
    ):
        raise InvitationGone
    return user


def accept(text: str, password: str) -> User:
    """Give whoever is invited the password that they chose.

    Raises:
        InvitationGone: somebody was quicker, or it is not valid any more.
    """
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=invited(text).pk)
        user = invited(text)  # again, now that nobody else can accept it
        user.set_password(password)
        user.save(update_fields=["password"])
        signing_in.tell_organizations(user, "member.joined")
    return user
