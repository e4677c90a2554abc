"""One's own account: what changes the password ends all other sessions, and only one's own."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from agents import signing_in
from agents.models import FailedSignIn, SignIn
from tests.factories import make_organization, make_user, make_workspace

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery staple"
NEW = "another long winded sentence"


def signed_in(username: str = "ada") -> Client:
    client = Client()
    answer = client.post("/login/", {"username": username, "password": PASSWORD})
    assert answer.status_code == 302
    return client


def is_in(client: Client) -> bool:
    return client.get("/account/").status_code == 200


def device_of(client: Client) -> SignIn:
    return SignIn.objects.get(session_key=client.session.session_key)


def change(client: Client, old: str = PASSWORD, new: str = NEW) -> int:
    form = {"old_password": old, "new_password1": new, "new_password2": new}
    return client.post("/account/password/", form).status_code


def test_a_new_password_keeps_this_session_and_ends_the_others() -> None:
    user = make_user("ada")
    make_user("bob")
    here, there, somebody_else = signed_in(), signed_in(), signed_in("bob")

    assert change(here) == 302

    assert (is_in(here), is_in(there), is_in(somebody_else)) == (True, False, True)
    assert User.objects.get(pk=user.pk).check_password(NEW)
    assert [device.pk for device in user.sign_ins.all()] == [device_of(here).pk]


def test_whoever_finds_a_browser_open_cannot_guess_at_the_password() -> None:
    user = make_user("ada")
    here = signed_in()

    for _ in range(signing_in.PER_NAME):
        assert change(here, "wrong") == 422
    assert change(here) == 429, "the right one is not looked at either"

    assert User.objects.get(pk=user.pk).check_password(PASSWORD)
    FailedSignIn.objects.all().delete()
    assert change(here) == 302


@pytest.mark.parametrize(("old", "new"), [("wrong", NEW), (PASSWORD, "short"), (PASSWORD, "12345678901")])
def test_an_impossible_change_changes_nothing(old: str, new: str) -> None:
    user = make_user("ada")
    here, there = signed_in(), signed_in()

    assert change(here, old, new) == 422

    assert (is_in(here), is_in(there)) == (True, True)
    assert User.objects.get(pk=user.pk).check_password(PASSWORD)


def test_ending_a_session_ends_that_one() -> None:
    make_user("ada")
    here, there = signed_in(), signed_in()

    assert here.post(f"/account/sessions/{device_of(there).pk}/end/").status_code == 302

    assert (is_in(here), is_in(there)) == (True, False)


def test_somebody_elses_session_cannot_be_ended() -> None:
    make_user("ada")
    make_user("eve")
    ada, eve = signed_in(), signed_in("eve")

    eve.post(f"/account/sessions/{device_of(ada).pk}/end/")
    eve.post("/account/sessions/end/")

    assert is_in(ada)


def test_all_other_sessions_can_be_ended_at_once() -> None:
    make_user("ada")
    here, there, elsewhere = signed_in(), signed_in(), signed_in()

    here.post("/account/sessions/end/")

    assert (is_in(here), is_in(there), is_in(elsewhere)) == (True, False, False)


@pytest.mark.parametrize("path", ["/account/", "/account/password/", "/account/sessions/end/"])
def test_who_is_not_signed_in_is_asked_to(client: Client, path: str) -> None:
    for answer in (client.get(path), client.post(path)):
        assert answer.status_code == 302
        assert answer["Location"].startswith("/login/?next=")


def test_the_page_steals_no_focus() -> None:
    make_user("ada")

    assert b"autofocus" not in signed_in().get("/account/").content


def test_the_page_leads_back_to_the_workspace_of_those_who_have_one() -> None:
    make_user("eve")
    workspace = make_workspace(make_organization("acme"), "prod")
    make_user("ada", organization=workspace.organization)

    assert b"Back to the workspace" in signed_in().get("/account/").content
    assert b"Back to the workspace" not in signed_in("eve").get("/account/").content
