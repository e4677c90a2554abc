"""One form, one effect: a button that is pressed twice, a form that is sent again, and both at the same moment."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client

from agents.models import ApiKey, AuditEntry, Invitation, Membership, Role, SentForm, Workspace
from agents.pages.one_effect import KEPT
from tests.agents.pages.conftest import Member, member
from tests.intents.racing import at_once

FIELD = re.compile(r'name="one_effect" value="([\w-]+)"')
TOKEN = re.compile(r"axme_sa_sa_[0-9a-f]+_[0-9a-f]{72}")
KEY = {"agent": "worker", "scopes": ["agent"], "expires": "30"}


def form_of(somebody: Member, path: str) -> str:
    """What tells the form on this page from every other."""
    [token] = FIELD.findall(somebody.get(path).content.decode())
    return str(token)


def test_a_key_that_is_asked_for_twice_is_made_once_and_shown(admin: Member) -> None:
    form = form_of(admin, "keys/new/")

    first, second = (admin.post("keys/new/", **KEY, one_effect=form) for _ in range(2))

    assert (first.status_code, second.status_code) == (303, 303)
    assert first["Location"] == second["Location"]
    page = admin.client.get(second["Location"]).content.decode()
    assert TOKEN.search(page)
    assert "it was done once" in page
    assert ApiKey.objects.count() == 1
    assert AuditEntry.objects.filter(action="key.created").count() == 1


def test_each_form_is_one_of_its_own(admin: Member) -> None:
    forms = {form_of(admin, "keys/new/") for _ in range(3)}
    for form in forms:
        admin.post("keys/new/", **KEY, one_effect=form)

    assert len(forms) == 3
    assert ApiKey.objects.count() == 3


def test_a_form_that_had_something_wrong_may_be_sent_again(admin: Member) -> None:
    form = form_of(admin, "keys/new/")

    assert admin.post("keys/new/", **{**KEY, "scopes": []}, one_effect=form).status_code == 422
    assert admin.post("keys/new/", **KEY, one_effect=form).status_code == 303

    assert ApiKey.objects.count() == 1


def test_what_may_not_be_done_leaves_nothing(admin: Member, viewer: Member) -> None:
    form = form_of(admin, "keys/new/")

    assert viewer.post("keys/new/", **KEY, one_effect=form).status_code == 403

    assert not SentForm.objects.exists()


def test_somebody_elses_form_is_another(admin: Member, workspace: Workspace) -> None:
    form = form_of(admin, "keys/new/")
    admin.post("keys/new/", **KEY, one_effect=form)

    answer = member(workspace, Role.ADMIN).post("keys/new/", **KEY, one_effect=form)

    assert answer.status_code == 303
    assert ApiKey.objects.count() == 2


@pytest.mark.parametrize("form", ["", "short", "x" * 65, "no token at all, but a sentence", "\x00" * 30])
def test_who_posts_by_hand_has_an_effect_each_time(admin: Member, form: str) -> None:
    for _ in range(2):
        assert admin.post("keys/new/", **KEY, one_effect=form).status_code == 303

    assert ApiKey.objects.count() == 2
    assert not SentForm.objects.exists()


def test_somebody_who_is_invited_twice_has_the_link_of_the_first(admin: Member) -> None:
    form = FIELD.findall(admin.get("settings/").content.decode())[-1]
    newcomer = {"username": "kim", "role": "viewer", "one_effect": form}

    answers = [admin.post("settings/members/", **newcomer) for _ in range(2)]

    assert len({answer["Location"] for answer in answers}) == 1
    assert "of=" in admin.client.get(answers[1]["Location"]).content.decode()
    assert Invitation.objects.get().username == "kim"


def test_a_member_who_is_removed_twice_is_removed(admin: Member, viewer: Member) -> None:
    path = f"settings/members/{Membership.objects.get(user=viewer.user).pk}/removal/"
    form = form_of(admin, path)

    answers = [admin.post(path, one_effect=form) for _ in range(2)]

    assert [answer["Location"] for answer in answers] == [admin.root + "settings/"] * 2


def test_forms_of_yesterday_are_forgotten(admin: Member) -> None:
    admin.post("keys/new/", **KEY, one_effect=form_of(admin, "keys/new/"))
    SentForm.objects.update(sent_at=Now() - KEPT - timedelta(minutes=1))

    admin.post("keys/new/", **KEY, one_effect=form_of(admin, "keys/new/"))

    assert SentForm.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_forms_that_arrive_at_the_same_moment_are_one(admin: Member) -> None:
    form = form_of(admin, "keys/new/")

    def send() -> Any:
        browser = Client()
        browser.cookies.load(admin.client.cookies.output(header="", sep=";"))
        return browser.post(admin.root + "keys/new/", {**KEY, "one_effect": form})

    answers = at_once([partial(send) for _ in range(4)])

    assert {answer.status_code for answer in answers} == {303}
    [whither] = {answer["Location"] for answer in answers}
    assert ApiKey.objects.count() == 1
    assert TOKEN.search(admin.client.get(whither).content.decode())
    assert not TOKEN.search(admin.client.get(whither).content.decode()), "shown once"
