"""The page of one intent: what it tells, to whom, and what can be done from it."""

from __future__ import annotations

import json
import re
from typing import Any
from unittest.mock import Mock
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.models import Agent, AuditEntry
from agents.pages import shell
from intents import dossier, ledger
from intents.lifecycle import EventType
from intents.models import Delivery, Event, Intent
from intents.pages import live_intent
from intents.records import Ending, Save
from tests.intents.factories import hold, make_delivery, make_intent, make_intents, slot
from tests.intents.pages.conftest import Member
from tests.intents.pages.hostile import HOSTILE
from tests.intents.pages.markup import assert_harmless

pytestmark = pytest.mark.django_db

ACTIONS = ("cancellation", "redelivery", "retries")


def text_of(response: Any) -> str:
    return response.content.decode()


def sentence(html: str) -> str:
    [inner] = re.findall(r'<h1 id="sentence"[^>]*>(.*?)</h1>', html, re.DOTALL)
    return re.sub(r"<[^>]*>", "", inner)


def finish(intent: Intent, event: EventType, **details: Any) -> None:
    ledger.finish([Ending(hold(intent), event, details)])


def lengthen(intent: Intent, to: int) -> None:
    """Give it a long history, as an agent that saves many steps has."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO intents_event (intent_id, seq, type, status, actor, details, at)"
            " SELECT %s, number, 'intent.in_progress', 'IN_PROGRESS', 'agent://a/b/c',"
            " jsonb_build_object('checkpoint', jsonb_build_object('step', 'step ' || number, 'size', number)),"
            " now() + number * interval '1 second' FROM generate_series(3, %s) AS number",
            [intent.pk, to],
        )
    Intent.objects.filter(pk=intent.pk).update(seq=to, status="IN_PROGRESS")


def test_it_opens_with_a_sentence_and_tells_each_event(viewer: Member, agent: Agent) -> None:
    intent = make_intent(agent, payload='{"rows": 3}')

    html = text_of(viewer.get(f"intents/{intent.pk}/"))

    assert sentence(html) == f"Waiting: no agent has ever connected to {agent.address}."
    assert 'id="event-1"' in html
    assert 'id="event-2"' in html
    assert "So far" in html
    assert "rows" in html


def test_attempts_are_told_apart_and_a_lost_one_is_called_lost(viewer: Member, agent: Agent) -> None:
    intent = make_intent(agent)
    for _ in range(2):
        ledger.claim([slot(agent)])
        Delivery.objects.filter(intent=intent).update(lease_expires_at="2020-01-01T00:00:00Z")

    html = text_of(viewer.get(f"intents/{intent.pk}/"))

    assert "Attempt 1 of 3" in html
    assert "Attempt 2 of 3" in html
    assert "Attempt 1 ended without a result" in html


def test_checkpoints_result_and_relatives_are_there(viewer: Member, agent: Agent) -> None:
    intent = make_intent(agent)
    sibling = make_intent(agent, correlation_id=intent.correlation_id)
    ledger.claim([slot(agent)])
    ledger.checkpoint([Save(hold(intent), "extract", "application/json", b'{"n": 1}')])
    finish(intent, EventType.COMPLETED, result={"rows": 17})

    html = text_of(viewer.get(f"intents/{intent.pk}/"))

    assert sentence(html).startswith("Completed at the first attempt in ")
    assert "Checkpoint extract" in html
    assert 'id="checkpoint-1"' in html
    assert str(sibling.pk) in html
    assert ">17<" in html


def test_strangers_and_unknown_ids_find_nothing(stranger: Member, operator: Member, agent: Agent) -> None:
    intent = make_intent(agent)

    assert stranger.get(f"intents/{intent.pk}/").status_code == 404
    for path in ("", "events/?first=1&last=2", "actions/", "export/", *(f"{each}/" for each in ACTIONS)):
        assert operator.get(f"intents/{uuid4()}/{path}").status_code == 404
    for each in ACTIONS:
        assert operator.post(f"intents/{uuid4()}/{each}/", {"reason": "x"}).status_code == 404


def test_viewers_see_no_buttons_and_their_hand_made_requests_change_nothing(
    viewer: Member, agent: Agent
) -> None:
    intent = make_intent(agent)

    assert "action__form" not in text_of(viewer.get(f"intents/{intent.pk}/"))
    for each in ACTIONS:
        assert viewer.post(f"intents/{intent.pk}/{each}/", {"reason": "x"}).status_code == 403
        assert viewer.get(f"intents/{intent.pk}/{each}/").status_code == 403

    intent.refresh_from_db()
    assert intent.status == "SUBMITTED"
    assert not AuditEntry.objects.filter(action__startswith="intent.").exists()


def test_an_operator_cancels_with_a_reason(operator: Member, agent: Agent) -> None:
    intent = make_intent(agent)
    assert "Cancel the intent" in text_of(operator.get(f"intents/{intent.pk}/cancellation/"))

    refused = operator.post(f"intents/{intent.pk}/cancellation/", {"reason": ""})
    done = operator.post(f"intents/{intent.pk}/cancellation/", {"reason": "a duplicate"})

    assert (refused.status_code, "say why" in text_of(refused)) == (422, True)
    assert (done.status_code, done["Location"]) == (303, f"{operator.root}intents/{intent.pk}/")
    assert "“a duplicate”" in sentence(text_of(operator.get(f"intents/{intent.pk}/")))


@pytest.mark.parametrize("action", ["cancellation", "redelivery"])
def test_who_comes_too_late_is_told_how_it_ended(operator: Member, agent: Agent, action: str) -> None:
    intent = make_intent(agent)
    finish(intent, EventType.COMPLETED, result={})

    late = operator.post(f"intents/{intent.pk}/{action}/", {"reason": "late"})

    assert late.status_code == 303
    [said] = [str(message) for message in get_messages(late.wsgi_request)]  # type: ignore[attr-defined]
    assert "Nothing was changed" in said
    assert "Completed" in said


def test_an_operator_redelivers_what_hangs(operator: Member, agent: Agent) -> None:
    delivery = make_delivery(agent, lease_ends_in=60)
    form = text_of(operator.get(f"intents/{delivery.intent_id}/redelivery/"))
    assert "loses it" in form

    assert operator.post(f"intents/{delivery.intent_id}/redelivery/", {}).status_code == 303

    delivery.refresh_from_db()
    assert delivery.lease_token is None


def test_a_retry_leads_to_the_new_one_with_the_edited_payload(operator: Member, agent: Agent) -> None:
    intent = make_intent(agent, payload='{"rows": 3}')
    finish(intent, EventType.FAILED, error={"code": "agent_failed", "message": "no"})

    for wrong in ("{", "[]", '"x"'):
        answer = operator.post(f"intents/{intent.pk}/retries/", {"payload": wrong})
        assert answer.status_code == 422
        assert "payload" in text_of(answer)
    done = operator.post(f"intents/{intent.pk}/retries/", {"payload": '{"rows": 4}', "checkpoints": "drop"})

    again = Intent.objects.get(retry_of=intent)
    assert done["Location"].endswith(f"/intents/{again.pk}/")
    assert again.payload == {"rows": 4}
    assert str(intent.pk) in text_of(operator.get(f"intents/{again.pk}/"))


def test_a_long_history_is_shown_by_its_ends_and_on_demand(viewer: Member, agent: Agent) -> None:
    intent = make_intent(agent)
    lengthen(intent, 5_000)

    html = text_of(viewer.get(f"intents/{intent.pk}/"))
    shown = [int(seq) for seq in re.findall(r'id="event-(\d+)"', html)]
    assert shown == [*range(1, 51), *range(4_901, 5_001)]
    assert "4850 events not shown" in html

    part = text_of(
        viewer.get(f"intents/{intent.pk}/events/?first=51&last=4900", headers={"HX-Request": "true"})
    )
    assert [int(seq) for seq in re.findall(r'id="event-(\d+)"', part)] == [*range(51, 251)]
    assert "first=251&amp;last=4900" in part
    end = text_of(
        viewer.get(f"intents/{intent.pk}/events/?first=51&last=4900&from=end", headers={"HX-Request": "true"})
    )
    assert [int(seq) for seq in re.findall(r'id="event-(\d+)"', end)] == [*range(4_701, 4_901)]
    linked = text_of(viewer.get(f"intents/{intent.pk}/?event=2000"))
    assert 'id="event-2000"' in linked
    assert viewer.get(f"intents/{intent.pk}/events/?first=9&last=6000").status_code == 404


def test_five_thousand_events_are_read_in_a_few_statements_and_few_of_them(
    viewer: Member, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    intent = make_intent(agent)
    lengthen(intent, 5_000)
    viewer.get(f"intents/{intent.pk}/")
    read = Mock(side_effect=ledger.read)
    monkeypatch.setattr(ledger, "read", read)

    with CaptureQueriesContext(connection) as queries:
        answer = viewer.get(f"intents/{intent.pk}/")

    assert len(queries) + read.call_count <= 8
    # The time is measured by `make bench`; here others may run at the same time.
    assert len(re.findall(r'<li class="event ', text_of(answer))) < 200


def test_the_export_has_everything(viewer: Member, agent: Agent) -> None:
    intent = make_intent(agent, payload='{"rows": 3}')
    lengthen(intent, 1_203)

    response: Any = viewer.get(f"intents/{intent.pk}/export/")
    exported = json.loads(b"".join(response.streaming_content))

    assert response["Content-Disposition"].startswith("attachment")
    assert [event["seq"] for event in exported["events"]] == list(range(1, 1_204))
    assert exported["intent"]["payload"] == {"rows": 3}


def test_checkpoints_that_nobody_could_look_at_do_not_keep_the_page_from_the_rest(
    viewer: Member, agent: Agent
) -> None:
    intent = make_intent(agent)
    ledger.claim([slot(agent)])
    deepest, deep, wide = b"[" * 1_000 + b"]" * 1_000, b"[" * 60 + b"]" * 60, b"[" + b"7," * 8_000 + b"7]"
    values = {"deepest": deepest, "deep": deep, **{f"wide {number}": wide for number in range(60)}}
    ledger.checkpoint([Save(hold(intent), step, "application/json", value) for step, value in values.items()])

    html = text_of(viewer.get(f"intents/{intent.pk}/"))

    assert all(f'<span class="checkpoint__step">{step}</span>' in html for step in values)
    assert html.count('class="json__block"') >= 60  # what is deep, but not too deep
    assert (
        5 <= html.count("7,7,7,7") // 2_000 <= 10
    )  # each in one line; together no more than fit into a page
    assert len(html) < 1_000_000


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text(operator: Member, agent: Agent, text: str) -> None:
    intent = make_intent(agent, payload=json.dumps({text: text}), from_agent=text, reply_to=text)
    ledger.claim([slot(agent)])
    ledger.checkpoint([Save(hold(intent), text, "application/json", json.dumps([text]).encode())])
    finish(intent, EventType.FAILED, error={"code": text, "message": text, text: text}, reason=text)
    Event.objects.filter(intent=intent).update(actor=text)

    for path in ("", "retries/"):
        markup = assert_harmless(text_of(operator.get(f"intents/{intent.pk}/{path}")))
        assert " ".join(text.split()) in " ".join(markup.text.split())


def test_many_are_asked_about_confirmed_and_done(
    operator: Member, agent: Agent, django_capture_on_commit_callbacks: Any
) -> None:
    make_intents(agent, 150)

    asked = text_of(operator.post("bulk/", {"kind": "cancel", "filter": ""}))
    assert "Cancel 150 intents" in asked
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', asked))
    fields.pop("csrfmiddlewaretoken", None)
    wrong = operator.post("bulk/", {**fields, "reason": "cleaning", "typed": "yes"})
    assert (wrong.status_code, "cancel 150" in text_of(wrong)) == (422, True)
    later = make_intent(agent)
    with django_capture_on_commit_callbacks(execute=True):
        done = operator.post("bulk/", {**fields, "reason": "cleaning", "typed": "cancel 150"})

    assert done.status_code == 303
    assert Intent.objects.filter(status="CANCELED").count() == 150
    later.refresh_from_db()
    assert later.status == "SUBMITTED"
    page = operator.client.get(done["Location"]).content.decode()
    assert "Finished" in page
    assert "150 done" in page


def test_chosen_ones_that_have_ended_are_listed_with_why(
    operator: Member, agent: Agent, django_capture_on_commit_callbacks: Any
) -> None:
    open_one, ended = make_intent(agent), make_intent(agent)
    finish(ended, EventType.COMPLETED, result={})
    chosen = {"kind": "cancel", "ids": [str(open_one.pk), str(ended.pk)]}
    assert "Cancel 2 intents" in text_of(operator.post("bulk/", chosen))

    with django_capture_on_commit_callbacks(execute=True):
        done = operator.post("bulk/", {**chosen, "confirmed": "1", "reason": "x"})

    page = operator.client.get(done["Location"]).content.decode()
    assert "1 done, 1 not" in page
    assert "has already ended" in page


def test_viewers_and_strangers_change_nothing_in_bulk(viewer: Member, stranger: Member, agent: Agent) -> None:
    intent = make_intent(agent)
    asked = {"kind": "cancel", "ids": [str(intent.pk)], "confirmed": "1", "reason": "x"}

    assert viewer.post("bulk/", asked).status_code == 403
    assert stranger.post("bulk/", asked).status_code == 404

    intent.refresh_from_db()
    assert intent.status == "SUBMITTED"


@pytest.mark.parametrize(
    "fields", [{}, {"kind": "cancel"}, {"kind": "explode", "filter": ""}, {"kind": "cancel", "ids": ["x"]}]
)
def test_forms_that_make_no_sense_are_refused(operator: Member, fields: dict[str, Any]) -> None:
    assert operator.post("bulk/", fields).status_code in (400, 422)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text_in_streamed_parts_and_ends_no_frame(
    operator: Member, agent: Agent, text: str
) -> None:
    text = f"{text}\r\n\r\nevent: reload\rdata: x\n"
    intent = make_intent(agent, from_agent=text)
    finish(intent, EventType.FAILED, error={"code": text, "message": text, text: text})
    place = shell.place_of(operator_of(operator), *operator.root.strip("/").split("/")[1:])
    assert place is not None
    found = dossier.now(
        dossier.of(intent.pk, organization_id=intent.organization_id, workspace_id=intent.workspace_id)
    )

    frames = list(live_intent._Told(place).standing(found))

    assert len(frames) >= 5
    for frame in frames:
        name, *lines = frame.decode().removesuffix("\n\n").split("\n")
        assert name in ("event: part", "event: actions")
        assert all(line.startswith("data: ") and "\r" not in line for line in lines)
        assert_harmless("\n".join(line.removeprefix("data: ") for line in lines))


def operator_of(member: Member) -> User:
    return User.objects.get(pk=member.client.session["_auth_user_id"])
