"""The fleet as people see it, and the switch that stops an agent: who may, what it says, nothing taken for markup."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext

from agents import mesh, metrics
from agents.models import (
    Agent,
    AuditEntry,
    Confirmation,
    Connection,
    DeliveryMode,
    MeshEvent,
    MeshEventType,
    MetricsBucket,
    WebProcess,
)
from agents.pages import shell
from intents import fleet, ledger, tallying
from intents.lifecycle import EventType
from intents.models import Event, TallyMark
from intents.pages import views_fleet
from intents.pages.live_parts import FleetTold, Told, agent_news
from intents.records import Ending
from tests.intents.factories import hold, make_delivery, make_intent, make_recipient
from tests.intents.pages.conftest import Member
from tests.intents.pages.hostile import HOSTILE
from tests.intents.pages.markup import Markup, assert_harmless

#: Commits, as the kill switch does its last step after it.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent(transactional_db: None) -> Agent:
    return make_recipient(name="worker")


def text(answer: HttpResponse) -> str:
    assert answer.status_code == 200
    return " ".join(assert_harmless(answer.content.decode()).text.split())


def process(**fields: object) -> UUID:
    """A web process; it stays alive however slow the test is."""
    seen = {"seen_at": Now() + timedelta(minutes=5), **fields}
    return WebProcess.objects.create(id=uuid4(), host="here", pid=1, **seen).pk


def connect(agent: Agent, web: UUID, transport: str = "websocket", client: str = "perdure/1") -> None:
    Connection.objects.create(
        id=uuid4(),
        session=uuid4(),
        process_id=web,
        agent=agent,
        key_id="sak_1",
        transport=transport,
        client=client,
        remote_addr="192.0.2.7",
    )


def user_of(member: Member) -> User:
    return User.objects.get(pk=member.client.session["_auth_user_id"])


def of(agent: Agent, more: str = "") -> str:
    return f"agents/{agent.service_account_id}/{more}"


def test_the_list_says_how_each_is_who_is_connected_and_what_is_owed(viewer: Member, agent: Agent) -> None:
    web = process()
    connect(agent, web)
    connect(agent, web, "sse")
    connect(agent, web, "sse")
    make_delivery(agent)
    make_delivery(agent)
    make_delivery(agent, due_in=3600)
    make_delivery(agent, lease_ends_in=3000)
    make_recipient(beside=agent, name="idler")

    answer = viewer.get("agents/")

    assert "Unknown idler" in text(answer)
    assert f"Healthy worker {agent.address} 2 sse, 1 websocket 1 2 0 0 none" in text(answer)
    assert Markup(answer.content.decode()).of("a", href=viewer.root + of(agent))


def test_what_has_ended_today_and_what_it_cost_is_shown(viewer: Member, agent: Agent) -> None:
    ended = make_intent(agent), make_intent(agent), make_intent(agent)
    for intent, event in zip(
        ended, (EventType.COMPLETED, EventType.COMPLETED, EventType.FAILED), strict=True
    ):
        ledger.finish([Ending(hold(intent), event)])
    Event.objects.filter(intent__in=ended).update(at=Now() - timedelta(seconds=20))
    TallyMark.objects.create(tallied_to=Now() - timedelta(seconds=60))
    metrics.add(agent.pk, cost_usd=0.125)
    MetricsBucket.objects.create(agent=agent, hour=Now() - timedelta(days=2), cost_usd=9, counted_failed=9)

    tallying.tally()

    today = fleet.one(agent.workspace_id, agent.service_account_id).today
    assert today.cost_usd == 0.125
    # In the first seconds after midnight they have ended yesterday.
    assert (today.completed, today.failed) in ((2, 1), (0, 0))
    assert metrics.of_agents([agent.pk], timedelta(days=1))[agent.pk].intents_total == 3
    assert "$0.1250" in text(viewer.get("agents/"))
    assert f"Done today{today.completed}Failed today{today.failed}Cost today$0.1250" in text(
        viewer.get(of(agent))
    )


def test_connections_of_a_process_that_died_do_not_count(viewer: Member, agent: Agent) -> None:
    connect(agent, process(seen_at=Now() - timedelta(seconds=30)))

    assert "Unknown worker" in text(viewer.get("agents/"))
    assert "never been heard of" in text(viewer.get(of(agent)))


def test_counting_stops_somewhere_and_says_so(
    viewer: Member, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "MOST_COUNTED", 2)
    for _ in range(3):
        make_delivery(agent)

    assert "none 0 ≥ 2 0 0 none never" in text(viewer.get("agents/"))


def test_the_list_is_found_in_and_stops_somewhere(
    viewer: Member, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_recipient(beside=agent, name="idler")
    monkeypatch.setattr(fleet, "MOST_AGENTS", 1)

    assert "There are more" in text(viewer.get("agents/"))
    found = viewer.get("agents/?q=WORK")
    assert "worker" in text(found)
    assert "idler" not in text(found)
    live = f"/live{viewer.root}agents?q=WORK"
    assert Markup(found.content.decode()).of("div", **{"data-parts": live})
    assert "No address here has" in text(viewer.get("agents/?q=nothing%00like"))


def test_what_a_stream_tells_first_is_what_the_page_has(viewer: Member, agent: Agent) -> None:
    fleet_page, agent_page = (viewer.get(path).content.decode() for path in ("agents/", of(agent)))
    place = shell.place_of(user_of(viewer), *viewer.root.split("/")[2:4])
    assert place is not None

    [whole] = FleetTold(place, "").news(fleet.of_workspace(agent.workspace_id))
    [now] = agent_news(Told(), fleet.one(agent.workspace_id, agent.service_account_id))

    assert whole in fleet_page
    assert now in agent_page


def test_a_stream_tells_the_rows_that_have_changed_or_all_when_others_are_there(
    viewer: Member, agent: Agent
) -> None:
    make_recipient(beside=agent, name="idler")
    place = shell.place_of(user_of(viewer), *viewer.root.split("/")[2:4])
    assert place is not None
    told = FleetTold(place, "")

    def news() -> list[str]:
        return told.news(fleet.of_workspace(agent.workspace_id))

    assert len(news()) == 1
    assert news() == []
    make_delivery(agent)
    [row] = news()
    assert row.startswith(f'<tr id="agent-{agent.service_account_id}"')
    connect(agent, process())
    assert len(news()) == 1
    assert news() == [], "that it is still connected is nothing new"
    make_recipient(beside=agent, name="newcomer")
    [whole] = news()
    assert whole.startswith('<section class="panel" id="fleet"')
    assert "newcomer" in whole


def test_a_mere_second_more_is_nothing_new() -> None:
    told = Told()
    time = '<p><time datetime="2026-11-23T10:00:00.000+00:00" title="…" data-ago>{}</time> by {}</p>'

    assert told.news({"p": time.format("2 s ago", "kim")})
    assert not told.news({"p": time.format("3 s ago", "kim")})
    assert told.news({"p": time.format("4 s ago", "ada")})


@pytest.mark.parametrize("path", ["agents/", "agents/{}/"])
def test_a_page_takes_one_statement_of_its_own(viewer: Member, agent: Agent, path: str) -> None:
    here = path.format(agent.service_account_id)
    connect(agent, process())
    viewer.get(here)  # who comes for the first time is remembered

    with CaptureQueriesContext(connection) as queries:
        viewer.get(here)

    assert sum('FROM "agents_agent"' in each["sql"] for each in queries) == 1
    assert len(queries) <= 4


def test_an_agent_shows_its_connections_and_how_to_make_one(viewer: Member, agent: Agent) -> None:
    connect(agent, process(), "sse-buffered", client="axme-python/0.1")

    answer = viewer.get(of(agent))

    said = text(answer)
    assert "Healthy It is connected now." in said
    assert "sse-buffered axme-python/0.1 192.0.2.7" in said
    assert 'base_url="http://testserver"' in said
    assert 'connect("ws://testserver/ws/agent"' in said
    assert "http://testserver/v1/agents/agent%3A%2F%2F" in said
    assert said.count("AXME_API_KEY") >= 4
    markup = Markup(answer.content.decode())
    [link] = [each for each in markup.of("a") if "?agent=" in (each["href"] or "")]
    assert viewer.client.get(link["href"] or "").status_code == 200
    assert not markup.of("form", action=viewer.root + of(agent, "kill/"))


def test_snippets_of_python_are_python_whatever_the_address_is(viewer: Member, agent: Agent) -> None:
    for hostile in HOSTILE:
        Agent.objects.filter(pk=agent.pk).update(address=hostile)
        markup = Markup(viewer.get(of(agent)).content.decode())
        for each in ("axme", "websocket"):
            assert markup.of("pre", id=f"snippet-{each}")
        agent.refresh_from_db()
        for snippet in views_fleet._snippets(agent, "http://here")[:2]:
            compile(snippet.text, snippet.id, "exec")


def test_an_operator_kills_and_resumes_and_both_are_on_record(operator: Member, agent: Agent) -> None:
    answer = operator.post(of(agent, "kill/"), {"reason": "runs wild"})
    assert answer.status_code == 303
    assert answer.headers["Location"] == operator.root + of(agent)
    agent.refresh_from_db()
    assert agent.is_killed
    said = text(operator.get(of(agent)))
    assert f"Killed Killed by {agent.killed_by} " in said
    assert ": “runs wild”." in said
    assert Markup(operator.get(of(agent)).content.decode()).of("section", **{"data-health": "killed"})

    operator.post(of(agent, "kill/"), {"reason": "again"})
    assert "“runs wild”" in text(operator.get(of(agent)))

    assert operator.post(of(agent, "resumption/"), {}).status_code == 303
    agent.refresh_from_db()
    assert not agent.is_killed
    assert not Markup(operator.get(of(agent)).content.decode()).of("section", **{"data-health": "killed"})
    actions = (
        AuditEntry.objects.filter(action__startswith="agent.")
        .order_by("id")
        .values_list("action", "target", "reason")
    )
    assert list(actions) == [
        ("agent.killed", agent.service_account_id, "runs wild"),
        ("agent.resumed", agent.service_account_id, ""),
    ]


def test_a_kill_says_where_it_is_in_effect_and_how_soon_it_was(operator: Member, agent: Agent) -> None:
    first, second = process(), process()
    operator.post(of(agent, "kill/"), {})
    process()  # began later: it knows no other state
    assert "No web process has confirmed it yet; 2 are asked." in text(operator.get(of(agent)))

    agent.refresh_from_db()
    event = MeshEvent.objects.get(type=MeshEventType.KILLED)
    assert agent.killed_at is not None
    confirmed_at = agent.killed_at + timedelta(milliseconds=340)
    Confirmation.objects.create(event=event, process=first, confirmed_at=confirmed_at)
    assert "In effect on 1 web process, on the last after 340 ms; 1 has not" in text(operator.get(of(agent)))
    Confirmation.objects.create(
        event=event, process=second, confirmed_at=confirmed_at + timedelta(milliseconds=100)
    )
    assert "In effect on 2 web processes, on the last after 440 ms." in text(operator.get(of(agent)))


def test_confirmations_of_an_earlier_kill_say_nothing_about_this_one(operator: Member, agent: Agent) -> None:
    web = process()
    operator.post(of(agent, "kill/"), {})
    Confirmation.objects.create(event=MeshEvent.objects.get(type=MeshEventType.KILLED), process=web)
    operator.post(of(agent, "resumption/"), {})
    assert "In effect" not in text(operator.get(of(agent)))
    operator.post(of(agent, "kill/"), {})

    assert "No web process has confirmed it yet; 1 is asked." in text(operator.get(of(agent)))


@pytest.mark.parametrize("what", ["kill/", "resumption/"])
def test_a_viewer_may_not_and_a_stranger_finds_nothing(
    viewer: Member, stranger: Member, operator: Member, agent: Agent, what: str
) -> None:
    if what == "resumption/":
        mesh.kill(agent, by="system")
    before = Agent.objects.values("killed_at", "killed_by").get(pk=agent.pk)

    assert viewer.post(of(agent, what), {}).status_code == 403
    assert stranger.post(of(agent, what), {}).status_code == 404
    assert operator.get(of(agent, what)).status_code == 405

    assert Agent.objects.values("killed_at", "killed_by").get(pk=agent.pk) == before


def test_agents_of_elsewhere_do_not_exist(operator: Member, stranger: Member, agent: Agent) -> None:
    elsewhere = make_recipient(name="elsewhere")
    internal = make_recipient(beside=agent, delivery_mode=DeliveryMode.INTERNAL)

    assert stranger.get("agents/").status_code == 404
    assert stranger.get(of(agent)).status_code == 404
    assert "elsewhere" not in text(operator.get("agents/"))
    for other in (elsewhere, internal):
        assert operator.get(of(other)).status_code == 404
        assert operator.post(of(other, "kill/"), {}).status_code == 404
    assert operator.get("agents/sa_0/").status_code == 404
    assert not Agent.objects.filter(killed_at__isnull=False).exists()


def test_hostile_text_stays_text(operator: Member, agent: Agent) -> None:
    web = process()
    for hostile in HOSTILE:
        Connection.objects.all().delete()
        connect(agent, web, client=hostile)
        Agent.objects.filter(pk=agent.pk).update(
            name=hostile,
            address=hostile,
            display_name=hostile,
            description=hostile,
            killed_at=F("created_at"),
            killed_by=hostile,
            kill_reason=hostile,
        )
        for path in ("agents/", of(agent)):
            assert " ".join(hostile.split()) in text(operator.get(path))
