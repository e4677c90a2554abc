"""The admin's pages of intents: everything to be seen, nothing to be changed, by superusers only."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from intents.models import Intent
from tests.factories import make_user
from tests.intents.factories import make_delivery, make_intent, make_recipient

pytestmark = pytest.mark.django_db


@pytest.fixture
def pages(client: Client) -> Client:
    client.force_login(make_user(is_superuser=True))
    return client


def page_of(intent: Intent) -> str:
    return reverse("admin:intents_intent_change", args=[intent.pk])


def test_an_intent_is_shown_with_its_history_and_why_it_is_not_running(pages: Client) -> None:
    intent = make_delivery(make_recipient(), attempt=1).intent
    Intent.objects.filter(pk=intent.pk).update(payload={"text": "<script>alert(1)</script>"})

    page = pages.get(page_of(intent)).content.decode()

    for event in ("intent.created", "intent.submitted", "intent.delivered"):
        assert event in page
    assert "No agent has ever connected" in page
    assert "<script>alert(1)" not in page
    assert 'name="_save"' not in page


def test_the_list_is_newest_first_and_finds_by_id(pages: Client) -> None:
    agent = make_recipient()
    older, newer = make_intent(agent), make_intent(agent)
    url = reverse("admin:intents_intent_changelist")

    page = pages.get(url).content.decode()
    found = pages.get(url, {"q": str(older.pk)}).content.decode()
    nothing = pages.get(url, {"q": "no id at all"})

    assert page.index(str(newer.pk)) < page.index(str(older.pk))
    assert str(older.pk) in found
    assert str(newer.pk) not in found
    assert nothing.status_code == 200


def test_nothing_can_be_changed_added_or_deleted(pages: Client) -> None:
    intent = make_intent(make_recipient())

    assert pages.post(page_of(intent), {"status": "COMPLETED"}).status_code == 403
    assert pages.get(reverse("admin:intents_intent_add")).status_code == 403
    assert (
        pages.post(reverse("admin:intents_intent_delete", args=[intent.pk]), {"post": "yes"}).status_code
        == 403
    )
    intent.refresh_from_db()
    assert intent.status == "SUBMITTED"


def test_staff_who_are_no_superusers_see_none_of_it(client: Client) -> None:
    user = make_user()
    user.is_staff = True
    user.save()
    client.force_login(user)

    assert client.get(page_of(make_intent(make_recipient()))).status_code == 403
