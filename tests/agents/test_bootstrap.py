"""The first boot, and all those after it."""

from __future__ import annotations

from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from agents import keys, registry, tokens
from agents.bootstrap import NAMES, bootstrap
from agents.models import Agent, ApiKey, Membership, Organization, Role, Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_password_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERDURE_ADMIN_PASSWORD", raising=False)


def key_of(values: dict[str, str]) -> ApiKey:
    return keys.valid().get(secret_hash=tokens.digest(values["AXME_API_KEY"]))


def test_a_fresh_machine_gets_all_it_needs() -> None:
    values = bootstrap({})

    assert tuple(values) == NAMES
    workspace = Workspace.objects.select_related("organization").get(pk=values["PERDURE_WORKSPACE_ID"])
    assert str(workspace) == "myorg/production"
    assert str(workspace.organization_id) == values["PERDURE_ORG_ID"]
    key = key_of(values)
    assert key.agent.address == "agent://myorg/production/operator"
    assert "admin" in key.scopes
    user = User.objects.get(username=values["PERDURE_ADMIN_USER"])
    assert user.is_superuser
    assert user.check_password(values["PERDURE_ADMIN_PASSWORD"])
    assert Membership.objects.get(user=user).role == Role.ADMIN


def test_a_restart_keeps_everything() -> None:
    first = bootstrap({})

    assert bootstrap(first) == first
    counts = [model.objects.count() for model in (Organization, Workspace, Agent, ApiKey, User, Membership)]
    assert counts == [1, 1, 1, 1, 1, 1]


def test_what_was_lost_is_made_anew() -> None:
    first = bootstrap({})
    second = bootstrap({})

    assert second["AXME_API_KEY"] != first["AXME_API_KEY"]
    assert second["PERDURE_ORG_ID"] == first["PERDURE_ORG_ID"]
    assert User.objects.get().check_password(second["PERDURE_ADMIN_PASSWORD"])


def test_a_revoked_key_is_replaced_and_a_lesser_one_is_not_taken_for_it() -> None:
    first = bootstrap({})
    keys.revoke(key_of(first))
    _, lesser = keys.issue(Agent.objects.get(), created_by="test")

    second = bootstrap(first)
    third = bootstrap({**second, "AXME_API_KEY": lesser})

    assert len({first["AXME_API_KEY"], second["AXME_API_KEY"], third["AXME_API_KEY"], lesser}) == 4


def test_an_operator_that_was_suspended_or_revoked_is_brought_back() -> None:
    values = bootstrap({})
    for change in (lambda: registry.revoke(Agent.objects.get()), _suspend):
        change()
        values = bootstrap(values)
        assert key_of(values).agent.status == "active"


def _suspend() -> None:
    registry.change(Agent.objects.get(), status="suspended")


def test_the_environment_chooses_the_first_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_ADMIN_PASSWORD", "chosen by the operator")

    assert bootstrap({})["PERDURE_ADMIN_PASSWORD"] == "chosen by the operator"
    assert User.objects.get().check_password("chosen by the operator")


def test_a_password_that_the_administrator_changed_stays_theirs() -> None:
    first = bootstrap({})
    user = User.objects.get()
    user.set_password("only I know")
    user.save()

    assert bootstrap(first)["PERDURE_ADMIN_PASSWORD"] == ""
    assert User.objects.get().check_password("only I know")


def test_the_command_prints_lines_of_an_environment_file_and_reads_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = _printed()
    for name, value in first.items():
        monkeypatch.setenv(name, value)

    assert tuple(first) == NAMES
    assert _printed() == first


def _printed() -> dict[str, str]:
    output = StringIO()
    call_command("bootstrap", stdout=output)
    return dict(line.split("=", 1) for line in output.getvalue().splitlines())
