"""The list of intents as people see it: found, named, shared, and never taken for markup."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from agents.models import Agent
from intents import finding, ledger
from intents.lifecycle import EventType
from intents.models import Intent, SavedView
from intents.records import Ending, Wait
from tests.intents.factories import hold, make_intent, make_intents
from tests.intents.pages.conftest import Member
from tests.intents.pages.hostile import HOSTILE
from tests.intents.pages.markup import Markup, assert_harmless


def page(member: Member, query: str = "") -> str:
    answer = member.get(f"intents/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def shown(html: str) -> list[str]:
    """The ids of the rows, in order."""
    rows = [attributes.get("id") or "" for tag, attributes in Markup(html).tags if tag == "tr"]
    return [row.removeprefix("row-") for row in rows if row.startswith("row-")]


def fail(intent: Intent, code: str = "bad_input") -> None:
    ledger.finish([Ending(hold(intent), EventType.FAILED, {"error": {"code": code}})])


def test_the_newest_intents_come_first_with_where_each_stands(viewer: Member, agent: Agent) -> None:
    intents = [make_intent(agent) for _ in range(3)]
    fail(intents[0])
    ledger.wait([Wait(intents[1].pk, "WAITING_FOR_HUMAN")])

    html = page(viewer)

    assert shown(html) == [str(each.pk) for each in reversed(intents)]
    text = Markup(html).text
    assert "No agent has ever connected to worker." in text
    assert "Waits for a person" in text
    assert "bad_input" in text


def test_filters_in_the_address_are_those_of_the_page(viewer: Member, agent: Agent) -> None:
    intents = [make_intent(agent) for _ in range(3)]
    fail(intents[1])

    html = page(viewer, "?status=FAILED&agent=worker")

    assert shown(html) == [str(intents[1].pk)]
    markup = Markup(html)
    assert [each for each in markup.of("input", name="status") if "checked" in each] == [
        {"type": "checkbox", "name": "status", "value": "FAILED", "checked": None}
    ]
    assert markup.of("a", href="?agent=worker", **{"class": "chip__off"})
    assert markup.of("a", href="?status=FAILED", **{"class": "chip__off"})


def test_a_filter_that_makes_no_sense_is_said_and_left_out(viewer: Member, agent: Agent) -> None:
    intent = make_intent(agent)

    html = page(viewer, "?correlation=seventeen")

    assert "is not a UUID. This filter is left out." in Markup(html).text
    assert shown(html) == [str(intent.pk)]


def test_pages_lead_to_what_is_older_and_back(
    viewer: Member, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    intents = [str(each) for each in reversed(make_intents(agent, 120))]

    first = page(viewer)
    assert shown(first) == intents[:50]
    [older] = Markup(first).of("a", rel="next")
    second = page(viewer, older["href"] or "")
    assert shown(second) == intents[50:100]
    [newer] = Markup(second).of("a", rel="prev")
    assert shown(page(viewer, newer["href"] or "")) == intents[:50]
    [oldest] = Markup(second).of("a", rel="next")
    third = page(viewer, oldest["href"] or "")
    assert shown(third) == intents[100:]
    assert Markup(third).of("a", rel="next") == []
    [back] = Markup(third).of("a", rel="prev")
    assert shown(page(viewer, back["href"] or "")) == intents[50:100]


def test_a_search_that_stopped_says_how_far_it_came(
    viewer: Member, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_intents(agent, 30)
    clock = iter(range(1000))
    monkeypatch.setattr(finding, "monotonic", lambda: 10.0 * next(clock))
    monkeypatch.setattr(finding, "FIRST_WINDOW", 10)

    markup = Markup(page(viewer, "?q=nothing-like-it"))

    assert "Looked at 10 intents, back to" in markup.text
    assert "Go on looking" in markup.text
    assert "as far as was looked" in markup.text


@pytest.mark.parametrize(
    "query", ["", "?status=FAILED", "?status=SUBMITTED", "?agent=worker", "?type=demo.work.v1"]
)
def test_a_page_takes_at_most_eight_queries(operator: Member, agent: Agent, query: str) -> None:
    make_intents(agent, 60)
    for intent in Intent.objects.all()[:3]:
        fail(intent)
    page(operator)  # who comes for the first time is remembered

    with CaptureQueriesContext(connection) as queries:
        page(operator, query)

    assert len(queries) <= 8, [each["sql"][:100] for each in queries]


def test_an_empty_workspace_shows_how_to_submit_the_first_intent(viewer: Member, agent: Agent) -> None:
    text = Markup(page(viewer)).text

    assert 'base_url="http://testserver",' in text
    assert f'"agent://{agent.organization.slug}/production/pipeline-agent"' in text
    assert "Nothing fits" not in text


def test_only_operators_are_offered_to_act(viewer: Member, operator: Member, agent: Agent) -> None:
    make_intent(agent)

    for_viewer, for_operator = Markup(page(viewer)), Markup(page(operator))

    assert for_viewer.of("input", name="ids") == []
    assert for_viewer.of("button", name="kind") == []
    assert len(for_operator.of("input", name="ids", form="bulk")) == 1
    assert {each["value"] for each in for_operator.of("button", name="kind")} == {
        "cancel",
        "retry",
        "redeliver",
    }


def test_strangers_find_nothing_and_those_not_logged_in_are_asked_to(
    stranger: Member, viewer: Member, agent: Agent
) -> None:
    intent = make_intent(agent)
    for path in ("", "intents/", "intents/number/", "dead-letters/", f"intents/?q={intent.pk}"):
        assert stranger.get(path).status_code == 404
        answer = Client().get(viewer.root + path)
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/login/?next=")


def test_how_many_fit_is_counted_or_said_to_be_more(
    viewer: Member, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_intents(agent, 1200)
    assert "(1,200)" in viewer.get("intents/number/").content.decode()
    assert viewer.get("intents/number/?status=WRONG").status_code == 422

    clock = iter(range(1000))
    monkeypatch.setattr(finding, "monotonic", lambda: 10.0 * next(clock))
    monkeypatch.setattr(finding, "FIRST_WINDOW", 10)

    assert "(more than 10)" in viewer.get("intents/number/").content.decode()


# -- saved views --------------------------------------------------------------------------------------


def save(member: Member, name: str, query: str) -> str:
    """Save a view; the address that follows."""
    answer = member.post("intents/views/", {"name": name, "query": query})
    assert answer.status_code == 303
    return answer.headers["Location"]


def test_a_saved_view_is_a_name_for_its_filters(viewer: Member, agent: Agent) -> None:
    location = save(viewer, "  Lost   mails ", "q=mail&status=FAILED&page=2")

    assert location == f"{viewer.root}intents/?status=FAILED&q=mail"
    html = viewer.client.get(location).content.decode()
    assert "<h1>Lost mails</h1>" in html
    [view] = SavedView.objects.all()
    assert (view.name, view.query) == ("Lost mails", "status=FAILED&q=mail")


def test_saving_under_the_same_name_replaces_the_view(viewer: Member) -> None:
    save(viewer, "Mine", "status=FAILED")
    save(viewer, "Mine", "status=WAITING")

    assert [view.query for view in SavedView.objects.all()] == ["status=WAITING"]


def test_a_views_address_opens_for_every_member_but_its_name_is_its_owners(
    viewer: Member, operator: Member, stranger: Member, agent: Agent
) -> None:
    intent = make_intent(agent)
    fail(intent)
    location = save(viewer, "Mine", "status=FAILED")

    shared = operator.client.get(location).content.decode()

    assert shown(shared) == [str(intent.pk)]
    assert "Mine" not in Markup(shared).text
    assert stranger.client.get(location).status_code == 404


def test_a_view_is_deleted_by_its_owner_only(viewer: Member, operator: Member) -> None:
    save(viewer, "Mine", "status=FAILED")
    [view] = SavedView.objects.all()

    operator.post(f"intents/views/{view.pk}/delete/", {})
    assert SavedView.objects.exists()
    answer = viewer.post(f"intents/views/{view.pk}/delete/", {"next": "//evil.example/"})

    assert answer.headers["Location"] == f"{viewer.root}intents/"
    assert not SavedView.objects.exists()


@pytest.mark.parametrize(
    ("name", "query"), [("", "status=FAILED"), ("a" * 61, ""), ("a\x00b", ""), ("Mine", "status=NOTHING")]
)
def test_a_view_without_sense_is_not_saved(viewer: Member, name: str, query: str) -> None:
    location = save(viewer, name, query)

    assert not SavedView.objects.exists()
    assert "was not saved" in viewer.client.get(location).content.decode()


# -- hostile text -------------------------------------------------------------------------------------


def test_hostile_text_is_text_in_every_field(operator: Member, agent: Agent) -> None:
    intents = make_intents(agent, len(HOSTILE))
    for intent_id, text in zip(intents, HOSTILE, strict=True):
        intent = Intent.objects.get(pk=intent_id)
        fail(intent, text)
        Intent.objects.filter(pk=intent_id).update(intent_type=text, to_agent=text, from_agent=text)

    seen = ""
    for query in ("", f"?before={intents[15]}"):
        seen += assert_harmless(page(operator, query)).text
    for text in HOSTILE:
        assert seen.count(text) >= 2, text  # as the type and as the error


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_in_the_address_is_text_on_the_page(viewer: Member, text: str) -> None:
    make_view = (
        f"?q={quote(text)}&agent={quote(text)}&type={quote(text)}&error={quote(text)}&status={quote(text)}"
    )

    markup = assert_harmless(page(viewer, make_view))

    assert [each["value"] for each in markup.of("input", name="agent")] == [text]


def test_hostile_names_of_views_are_text(viewer: Member) -> None:
    names = [text[:60] for text in HOSTILE[:40]]
    for name in names:
        save(viewer, name, "status=FAILED")

    markup = assert_harmless(page(viewer))

    assert all(" ".join(name.split()) in markup.text for name in names)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00", "9999-12-31T23:59"])
@pytest.mark.parametrize("name", ["from", "to"])
def test_the_ends_of_the_calendar_are_times_to_search_by(
    viewer: Member, agent: Agent, name: str, moment: str
) -> None:
    make_intent(agent)

    for path in ("intents/", "intents/number/"):
        assert viewer.get(path, data={name: moment}).status_code == 200
