"""The overview and the dead letters as people see them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.models import Agent
from intents import finding, ledger, overview
from intents.filters import Filters
from intents.lifecycle import EventType
from intents.models import Intent
from intents.overview import Minute, Overview
from intents.pages import chart as charts
from intents.pages.chart import Chart
from intents.records import Ending
from tests.intents.factories import hold, make_delivery, make_intent, make_intents, make_recipient
from tests.intents.pages.conftest import Member
from tests.intents.pages.hostile import HOSTILE
from tests.intents.pages.markup import Markup, assert_harmless


def fail(intent: Intent, code: str = "bad_input") -> None:
    ledger.finish([Ending(hold(intent), EventType.FAILED, {"error": {"code": code}})])


def test_the_overview_says_what_the_workspace_is_at(viewer: Member, agent: Agent) -> None:
    make_delivery(agent, due_in=-(3 * 86_400 + 1_800))  # in the middle of an hour, so that it stays that
    fail(make_intent(agent))
    ledger.finish([Ending(hold(make_intent(agent)), EventType.COMPLETED, {})])

    answer = viewer.get()
    html = answer.content.decode()

    text = " ".join(Markup(html).text.split())
    assert answer.status_code == 200
    assert "Open1have no outcome yet" in text
    assert "the oldest for 3 d 0 h" in text
    assert "In the last 60 minutes 2 intents ended: 1 completed, 1 failed." in text
    assert "bad_input" in text


def test_the_overview_takes_few_queries(viewer: Member, agent: Agent) -> None:
    viewer.get()
    overview.forget()
    with CaptureQueriesContext(connection) as queries:
        viewer.get()

    assert len(queries) <= 8


def test_an_empty_workspace_is_shown_how_to_begin(viewer: Member) -> None:
    text = Markup(viewer.get().content.decode()).text

    assert "Submit the first intent" in text
    assert "In the last 60 minutes no intent ended." in text


def overview_of(minutes: list[Minute]) -> Overview:
    return Overview(datetime.now(UTC), 0, 0, 0, 0, None, 0, 0, 0, 0, minutes, 1.0, 2.0, [])


def minutes(numbers: list[tuple[int, int]]) -> list[Minute]:
    first = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    made = [Minute(first + timedelta(minutes=number)) for number in range(60)]
    for minute, (completed, failed) in zip(made, numbers, strict=False):
        minute.outcomes.update({"COMPLETED": completed, "FAILED": failed})
    return made


def test_bars_are_as_high_as_their_numbers() -> None:
    chart = Chart.of(overview_of(minutes([(10, 0), (5, 5), (0, 1)])))

    full = charts.BASE - charts.TOP
    heights = [[piece.height for piece in bar.pieces] for bar in chart.bars[:4]]
    assert heights == [[full], [full / 2, full / 2], [pytest.approx(full / 10)], []]
    assert chart.bars[1].label == "09:01: 5 completed, 5 failed"
    assert chart.bars[3].label == "09:03: nothing ended"
    for bar in chart.bars[:3]:
        assert bar.pieces[-1].y >= charts.TOP - 0.01


def test_one_of_many_is_still_seen() -> None:
    chart = Chart.of(overview_of(minutes([(100_000, 1)])))

    assert chart.bars[0].pieces[1].height == 1.5


@pytest.mark.parametrize(
    ("value", "ceiling"), [(0, 4), (4, 4), (5, 10), (11, 20), (21, 40), (99, 100), (100, 100), (101, 200)]
)
def test_the_scale_ends_at_a_round_number(value: int, ceiling: int) -> None:
    assert charts.nice_ceiling(value) == ceiling


def test_lines_break_where_nothing_was_completed() -> None:
    made = minutes([(1, 0)] * 5)
    for number in (0, 1, 3):
        made[number].p50 = made[number].p95 = 1.0

    [_, p50] = Chart.of(overview_of(made)).lines

    assert p50.path.count("M") == 2
    assert p50.path.count("L") == 1
    assert len(p50.dots) == 2


# -- dead letters -------------------------------------------------------------------------------------


def test_dead_letters_are_grouped_by_agent_and_error(operator: Member, agent: Agent) -> None:
    other = make_recipient(beside=agent, name="other")
    for recipient, code, number in ((agent, "bad_input", 3), (agent, "", 1), (other, "bad_input", 2)):
        for _ in range(number):
            fail(make_intent(recipient), code)
    retried = make_intent(other)
    fail(retried)
    Intent.objects.get(pk=retried.pk).retry(actor="human:ada")

    markup = Markup(operator.get("dead-letters/").content.decode())

    filters = [each["value"] for each in markup.of("input", name="filter")]
    assert len(filters) == 4  # all, and one for each group
    counts = [
        finding.run(finding.count(agent.workspace_id, Filters.of(query or ""))).number for query in filters
    ]
    assert counts[0] == 6
    assert sorted(counts[1:]) == [1, 2, 3]
    assert "Retry all 6…" in markup.text


def test_viewers_see_dead_letters_without_buttons(viewer: Member, agent: Agent) -> None:
    fail(make_intent(agent))

    html = viewer.get("dead-letters/").content.decode()

    assert Markup(html).of("input", name="filter") == []
    assert "bad_input" in html


def test_no_dead_letters_is_said(viewer: Member) -> None:
    assert "No dead letters" in viewer.get("dead-letters/").content.decode()


def test_hostile_errors_and_agents_are_text(operator: Member, agent: Agent) -> None:
    for intent_id, text in zip(make_intents(agent, len(HOSTILE)), HOSTILE, strict=True):
        fail(Intent.objects.get(pk=intent_id), text)
    Intent.objects.update(intent_type='"><script>alert(1)</script>', to_agent="<img src=x onerror=alert(1)>")

    for path in ("", "dead-letters/"):
        markup = assert_harmless(operator.get(path).content.decode())
    for text in HOSTILE:
        assert text in markup.text
    for query in markup.of("input", name="filter")[1:]:
        assert finding.run(finding.count(agent.workspace_id, Filters.of(query["value"] or ""))).number == 1
    assert quote(HOSTILE[0], safe="") not in markup.text
