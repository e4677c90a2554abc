"""The audit log: what is written stays, in the database's own opinion."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction

from agents import audit, origin
from agents.models import AuditEntry, Organization, Role
from agents.people import Operator
from tests.factories import make_caller, make_organization, make_user, make_workspace

pytestmark = pytest.mark.django_db


def make_entry(organization: Organization | None = None) -> AuditEntry:
    organization = organization or make_organization()
    audit.record("system", "key.created", "key_1", organization_id=organization.pk)
    return AuditEntry.objects.get(organization=organization)


def run(statement: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE agents_auditentry SET actor = 'nobody'", "DELETE FROM agents_auditentry"],
)
def test_the_database_refuses_to_change_or_forget_entries(statement: str) -> None:
    entry = make_entry()

    with pytest.raises(DatabaseError, match="append-only"):
        run(statement)
    assert AuditEntry.objects.get().actor == entry.actor == "system"


def test_the_database_refuses_to_empty_the_log() -> None:
    make_entry()
    # Off in tests, so that those which commit can be cleaned up after. Rolled back with this test.
    run("SET CONSTRAINTS ALL IMMEDIATE")
    run("ALTER TABLE agents_auditentry ENABLE TRIGGER audit_entries_are_never_emptied")

    with pytest.raises(DatabaseError, match="append-only"):
        run("TRUNCATE agents_auditentry")
    assert AuditEntry.objects.count() == 1


def test_an_entry_is_forgotten_with_the_transaction_that_failed() -> None:
    organization = make_organization()

    with transaction.atomic():
        make_entry(organization)
        transaction.set_rollback(True)
    assert not AuditEntry.objects.exists()


def test_an_operator_is_noted_with_where_they_were() -> None:
    workspace = make_workspace()
    user = make_user("ada", organization=workspace.organization, role=Role.OPERATOR)
    operator = Operator(
        user_id=user.pk,
        username="ada",
        organization_id=workspace.organization_id,
        organization_slug=workspace.organization.slug,
        workspace_id=workspace.pk,
        role=Role.OPERATOR,
        remote_addr="192.0.2.7",
        user_agent="Firefox",
    )

    audit.record(operator, "intent.canceled", "x", organization_id=workspace.organization_id, reason="late")

    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.key_id, entry.reason) == ("human:ada", "", "late")
    assert (entry.remote_addr, entry.user_agent) == ("192.0.2.7", "Firefox")


def test_a_caller_is_noted_with_the_key_and_where_the_request_came_from() -> None:
    caller = make_caller()
    origin.note({"REMOTE_ADDR": "192.0.2.8", "HTTP_USER_AGENT": "curl/8", "HTTP_X_AXME_CLIENT": "cli/1"})
    try:
        audit.record(caller, "key.created", "key_1", organization_id=caller.organization_id)
    finally:
        origin.note({})

    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.key_id) == (caller.address, caller.key_id)
    assert (entry.remote_addr, entry.user_agent) == ("192.0.2.8", "cli/1")


def test_text_that_the_database_cannot_hold_does_not_keep_an_entry_from_being_made() -> None:
    organization = make_organization()

    audit.record(
        "a\x00b",
        "intent.canceled",
        "t" * 500,
        organization_id=organization.pk,
        target_label="\ud800" + "l" * 500,
        reason="x\x00y\udfff",
        details={"\x00name": ["\x00", {"deep": "\ud800"}, 1, None, True], "set": {organization.pk}},
    )

    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.reason) == ("ab", "xy?")
    assert (len(entry.target), len(entry.target_label)) == (400, 400)
    assert entry.details == {"name": ["", {"deep": "?"}, 1, None, True], "set": [str(organization.pk)]}
