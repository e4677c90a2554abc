"""Signing in: guessing is slow, and one is led nowhere but to our own pages."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from agents import signing_in
from agents.models import AuditEntry, FailedSignIn, Role, SignIn
from tests.factories import make_organization, make_user, make_workspace

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery staple"
ELSEWHERE = [
    "//evil.example/",
    "///evil.example/",
    "https://evil.example/",
    "http://evil.example",
    "\\\\evil.example",
    "/\\evil.example",
    "https:\\\\evil.example",
    "https:///evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "\x08//evil.example",
    " //evil.example",
    "http://testserver@evil.example/",
    "http://[",
]


def sign_in(client: Client, password: str = PASSWORD, username: str = "ada", **rest: str) -> int:
    address = rest.pop("address", "192.0.2.1")
    form = {"username": username, "password": password, **rest}
    return client.post("/login/", form, REMOTE_ADDR=address).status_code


def test_the_right_password_leads_to_where_one_was_going(client: Client) -> None:
    make_user("ada")

    answer = client.post("/login/", {"username": "ada", "password": PASSWORD, "next": "/account/?x=1"})

    assert (answer.status_code, answer["Location"]) == (302, "/account/?x=1")
    assert client.get("/account/").status_code == 200


@pytest.mark.parametrize("wanted", ELSEWHERE)
def test_nobody_is_led_to_another_site(client: Client, wanted: str) -> None:
    make_user("ada")

    answer = client.post("/login/", {"username": "ada", "password": PASSWORD, "next": wanted})
    again = client.get("/login/", {"next": wanted})

    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert (again.status_code, again["Location"]) == (302, "/"), "who is signed in is not led there either"


def test_a_wrong_password_and_an_unknown_name_are_answered_alike(client: Client) -> None:
    make_user("ada")

    wrong = client.post("/login/", {"username": "ada", "password": "no"})
    unknown = client.post("/login/", {"username": "eve", "password": "no"})

    assert (wrong.status_code, unknown.status_code) == (401, 401)
    assert wrong.context["error"] == unknown.context["error"] != ""
    assert not SignIn.objects.exists()


def test_after_five_wrong_passwords_the_right_one_is_not_looked_at(client: Client) -> None:
    make_user("ada")
    for _ in range(signing_in.PER_NAME):
        assert sign_in(client, "wrong") == 401

    answer = client.post("/login/", {"username": "ada", "password": PASSWORD}, REMOTE_ADDR="192.0.2.1")

    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= signing_in.WINDOW.total_seconds()
    assert "_auth_user_id" not in client.session


def test_a_stranger_who_guesses_does_not_lock_the_owner_out(client: Client) -> None:
    make_user("ada")
    for _ in range(signing_in.PER_NAME + 1):
        sign_in(client, "wrong", address="203.0.113.9")

    assert sign_in(client, address="203.0.113.9") == 429
    assert sign_in(client, address="192.0.2.1") == 302


def test_one_address_may_not_guess_at_many_names(client: Client) -> None:
    make_user("ada")
    FailedSignIn.objects.bulk_create(
        FailedSignIn(username=f"user-{number}", remote_addr="192.0.2.1")
        for number in range(signing_in.PER_NETWORK)
    )

    assert sign_in(client) == 429
    assert sign_in(client, address="192.0.2.2") == 302


def test_the_addresses_of_one_ipv6_network_are_one(client: Client) -> None:
    make_user("ada")
    for number in range(signing_in.PER_NAME):
        assert sign_in(client, "wrong", address=f"2001:db8:1:2::{number}") == 401

    assert sign_in(client, address="2001:db8:1:2:ffff::1") == 429
    assert sign_in(client, address="2001:db8:1:3::1") == 302


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
def test_a_network_is_what_one_customer_has(address: str, network: str) -> None:
    assert signing_in.network_of(address) == network


def guessed_from_everywhere() -> None:
    FailedSignIn.objects.bulk_create(
        FailedSignIn(username="ada", remote_addr=f"2001:db8:{number:x}::/64")
        for number in range(signing_in.PER_NAME_ANYWHERE)
    )


def test_who_guesses_from_everywhere_has_to_wait_after_each(client: Client) -> None:
    make_user("ada")
    make_user("ben")
    guessed_from_everywhere()

    answer = client.post("/login/", {"username": "ada", "password": PASSWORD}, REMOTE_ADDR="198.51.100.7")

    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= signing_in.PAUSE.total_seconds()
    assert sign_in(Client(), username="ben") == 302
    FailedSignIn.objects.update(at=timezone.now() - signing_in.PAUSE)
    assert sign_in(client, "wrong", address="198.51.100.7") == 401, "slowed down, and not locked out"
    assert sign_in(client, address="198.51.100.8") == 429
    FailedSignIn.objects.update(at=timezone.now() - signing_in.PAUSE)
    assert sign_in(client, address="198.51.100.8") == 302


def test_strangers_who_guess_from_everywhere_do_not_hold_up_a_person_where_they_are_signed_in() -> None:
    make_user("ada")
    assert sign_in(Client(), address="2001:db8:ffff:1::1") == 302
    guessed_from_everywhere()

    assert sign_in(Client(), address="2001:db8:ffff:1::2") == 302
    assert sign_in(Client(), address="2001:db8:ffff:2::2") == 429


def test_wrong_passwords_are_forgiven_after_a_while_and_after_the_right_one(client: Client) -> None:
    make_user("ada")
    for _ in range(signing_in.PER_NAME):
        sign_in(client, "wrong")
    FailedSignIn.objects.update(at=timezone.now() - signing_in.WINDOW - timedelta(seconds=1))

    assert sign_in(client) == 302
    assert not FailedSignIn.objects.exists()


def test_who_is_not_active_is_not_let_in(client: Client) -> None:
    user = make_user("ada")
    user.is_active = False
    user.save()

    assert sign_in(client) == 401


@pytest.mark.parametrize("name", ["\x00ada", "a" * 5000, "\ud800".encode("utf-8", "replace").decode(), ""])
def test_impossible_names_are_merely_wrong(client: Client, name: str) -> None:
    assert sign_in(client, username=name) == 401


def test_signing_in_and_out_is_noted_in_the_audit_log(client: Client) -> None:
    organization = make_organization()
    make_workspace(organization)
    make_user("ada", organization=organization, role=Role.VIEWER)

    sign_in(client)
    client.post("/logout/")

    newest_first = list(AuditEntry.objects.values_list("action", "actor", "remote_addr"))
    assert [action for action, *_ in newest_first] == ["person.signed_out", "person.signed_in"]
    assert newest_first[1] == ("person.signed_in", "human:ada", "192.0.2.1")
    assert client.get("/account/").status_code == 302


def test_the_form_needs_our_own_token() -> None:
    make_user("ada")

    assert sign_in(Client(enforce_csrf_checks=True)) == 403
