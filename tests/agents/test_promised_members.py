"""An upgrade from when somebody who was invited was a member at once."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import User

from agents.models import Invitation, Membership, Role
from tests.factories import make_organization, make_user

hold_their_places = import_module(
    "agents.migrations.0008_promised_memberships_are_invitations"
).hold_their_places


@pytest.mark.django_db
def test_who_never_chose_a_password_is_invited_and_who_did_stays_a_member() -> None:
    acme, globex = make_organization("acme"), make_organization("globex")
    member = make_user("ada", organization=acme, role=Role.ADMIN)
    promised = make_user("newcomer", organization=acme, role=Role.OPERATOR)
    promised.set_unusable_password()
    promised.save()
    Membership.objects.create(user=promised, organization=globex)
    root = make_user("root", organization=acme, is_superuser=True)
    root.set_unusable_password()
    root.save()

    hold_their_places(apps, None)

    assert set(User.objects.all()) == {member, root}
    held = Invitation.objects.order_by("organization__slug").values_list(
        "organization__slug", "username", "role"
    )
    assert list(held) == [("acme", "newcomer", "operator"), ("globex", "newcomer", "viewer")]
