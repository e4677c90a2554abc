"""Who was made a member and has never chosen a password becomes an invitation; the link has to be made anew.

Their logins, which nobody ever used, go: whoever takes up an invitation makes their own.
"""

import secrets

from django.conf import settings
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import migrations


def hold_their_places(apps, schema_editor):
    User = apps.get_model(settings.AUTH_USER_MODEL)
    Invitation = apps.get_model("agents", "Invitation")
    promised = User.objects.filter(
        password__startswith=UNUSABLE_PASSWORD_PREFIX,
        last_login=None,
        is_staff=False,
        is_superuser=False,
        memberships__isnull=False,
    ).distinct()
    for user in promised:
        Invitation.objects.bulk_create(
            [
                Invitation(
                    organization_id=each.organization_id,
                    username=user.username,
                    role=each.role,
                    digest=secrets.token_hex(32),  # of no link at all
                    created_at=each.created_at,
                    renewed_at=each.created_at,
                )
                for each in user.memberships.all()
            ],
            ignore_conflicts=True,  # names that differ in their case alone
        )
        user.delete()


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0007_invitations"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [migrations.RunPython(hold_their_places, migrations.RunPython.noop)]
