"""Finding: each filter gives what reading everything would give, both ways, and no search outlasts its patience."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from agents import postgres
from agents.models import Agent
from intents import candidates, finding, ledger
from intents.filters import Filters, Text
from intents.finding import Found
from intents.lifecycle import EventType, Status
from intents.models import Intent, Standing
from intents.operations import document
from intents.records import Ending, Wait, Wake
from tests.intents.factories import hold, make_intent, make_recipient, slot

pytestmark = pytest.mark.django_db

TYPES = ("etl.run.v1", "mail.send.v1", "crawl.page.v1")
CORRELATION = UUID("11111111-1111-4111-8111-111111111111")


def found(agent: Agent, query: str = "", **more: Any) -> Found:
    return finding.run(finding.page(agent.workspace_id, Filters.of(query), **more))


def ids(page: Found) -> list[UUID]:
    return [row["intent_id"] for row in page.rows]


def all_pages(agent: Agent, query: str, limit: int) -> list[UUID]:
    """Every id, from the newest page on to the oldest."""
    seen: list[UUID] = []
    page = found(agent, query, limit=limit)
    while True:
        seen += ids(page)
        if page.older is None:
            return seen
        page = found(agent, query, limit=limit, before=page.older)


def all_pages_back(agent: Agent, query: str, limit: int) -> list[UUID]:
    """Every id but the oldest, from there on to the newest page."""
    seen: list[UUID] = []
    after = all_pages(agent, query, limit)[-1]
    while True:
        page = found(agent, query, limit=limit, after=after)
        seen = ids(page) + seen
        if page.newer is None:
            return seen
        after = page.newer


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "FIRST_WINDOW", 3)
    monkeypatch.setattr(finding, "SMALLEST_WINDOW", 2)
    monkeypatch.setattr(finding, "GLANCE", 5)


@pytest.fixture
def crowd() -> list[Agent]:
    """Two agents of one workspace with intents in all states, and one of another tenant with the same."""
    first = make_recipient(name="worker")
    agents = [first, make_recipient(beside=first, name="other"), make_recipient(name="worker")]
    chance = random.Random(7)
    for number in range(60):
        agent = chance.choice(agents)
        intent = make_intent(
            agent,
            intent_type=chance.choice(TYPES),
            correlation_id=CORRELATION if chance.random() < 0.2 else uuid4(),
            payload=document({"customer": {"id": number % 5, "name": f'Ada "L" {number}'}, "rows": [1, 2]}),
        )
        move(intent, agent, chance.choice(("stay", "claim", "acknowledge", "wait", "wake", *ENDS)))
    return agents


ENDS = {
    "complete": EventType.COMPLETED,
    "fail": EventType.FAILED,
    "cancel": EventType.CANCELED,
    "time out": EventType.TIMED_OUT,
}


def move(intent: Intent, agent: Agent, how: str) -> None:
    if how in ("claim", "acknowledge"):
        leases = ledger.claim([slot(agent, 1000)])
        if how == "acknowledge":
            ledger.acknowledge([hold(intent, token=each.lease_token) for each in leases[-1:]])
    elif how in ("wait", "wake"):
        ledger.wait([Wait(intent.pk, "WAITING_FOR_HUMAN")])
        if how == "wake":
            ledger.wake([Wake(hold(intent), is_owed=True)])
    elif how in ENDS:
        ledger.finish([Ending(hold(intent), ENDS[how], {"error": {"code": f"code-{intent.seq}"}})])


def by_reading_all(agent: Agent, fits: Callable[[Intent], bool]) -> list[UUID]:
    intents = Intent.objects.filter(workspace=agent.workspace).order_by("-pk")
    return [intent.pk for intent in intents if fits(intent)]


CASES: dict[str, Callable[[Intent], bool]] = {
    "": lambda each: True,
    **{f"status={status}": lambda each, status=status: each.status == status for status in Status},  # type: ignore[misc]
    "status=FAILED&status=CANCELED": lambda each: each.status in ("FAILED", "CANCELED"),
    "status=SUBMITTED&status=FAILED": lambda each: each.status in ("SUBMITTED", "FAILED"),
    "status=COMPLETED&status=WAITING": lambda each: each.status in ("COMPLETED", "WAITING"),
    "agent=worker": lambda each: each.to_agent.endswith("/worker"),
    "agent=worker&status=FAILED": lambda each: each.status == "FAILED" and each.to_agent.endswith("/worker"),
    "agent=other&status=SUBMITTED&status=DELIVERED": lambda each: (
        each.status in ("SUBMITTED", "DELIVERED") and each.to_agent.endswith("/other")
    ),
    "type=mail.send.v1": lambda each: each.intent_type == "mail.send.v1",
    "type=mail.send.v1&status=WAITING": lambda each: (
        each.intent_type == "mail.send.v1" and each.status == "WAITING"
    ),
    f"correlation={CORRELATION}": lambda each: each.correlation_id == CORRELATION,
    f"q={CORRELATION}": lambda each: each.correlation_id == CORRELATION,
    "q=MAIL": lambda each: "mail" in each.intent_type,
    "q=production/other": lambda each: "production/other" in each.to_agent,
    "q=crawl+other": lambda each: "crawl" in each.intent_type and "other" in each.to_agent,
    "q=payload.customer.id:3": lambda each: each.payload["customer"]["id"] == 3,
    "q=payload.rows.1:2&status=FAILED": lambda each: each.status == "FAILED",
    "q=payload.customer.id:3+mail": lambda each: (
        each.payload["customer"]["id"] == 3 and "mail" in each.intent_type
    ),
    "error=code-2": lambda each: each.status in ("FAILED", "TIMED_OUT", "CANCELED") and each.seq == 3,
    "status=FAILED&retried=no&error=code-2": lambda each: each.status == "FAILED" and each.seq == 3,
    "status=COMPLETED&error=code-2": lambda each: False,
    "retried=yes": lambda each: False,
    "within=1h": lambda each: True,
    "to=2020-01-01": lambda each: False,
    "from=2020-01-01&to=2100-01-01&status=WAITING": lambda each: each.status == "WAITING",
}


@pytest.mark.usefixtures("small_windows")
@pytest.mark.parametrize("query", CASES)
def test_a_filter_gives_what_reading_everything_gives_both_ways(crowd: list[Agent], query: str) -> None:
    agent = crowd[0]
    wanted = by_reading_all(agent, CASES[query])

    assert all_pages(agent, query, 4) == wanted
    assert all_pages(agent, query, 1000) == wanted
    if wanted:
        assert all_pages_back(agent, query, 4) == wanted[:-1]


@pytest.mark.usefixtures("small_windows")
@pytest.mark.parametrize("query", CASES)
def test_what_is_acted_on_is_what_is_found(crowd: list[Agent], query: str) -> None:
    agent = crowd[0]
    wanted = by_reading_all(agent, CASES[query])

    portions = list(finding.ids(agent.workspace_id, Filters.of(query)))
    counted = finding.run(finding.count(agent.workspace_id, Filters.of(query)))

    assert sorted(each for portion in portions for each in portion) == sorted(wanted)
    assert (counted.number, counted.is_exact) == (len(wanted), True)


def test_every_status_is_kept_as_it_stands(crowd: list[Agent]) -> None:
    rare = Intent.objects.filter(
        Q(status__in=candidates.RARE) | Q(status="IN_PROGRESS", attempt=0)
    ).values_list("pk", "status", "recipient_id")

    assert set(Standing.objects.values_list("pk", "status", "recipient_id")) == set(rare)
    failed = Standing.objects.filter(status="FAILED").first()
    assert failed
    assert failed.code == "code-2"


def test_what_goes_on_after_a_wait_stands_until_somebody_has_it() -> None:
    agent = make_recipient()
    intent = make_intent(agent)
    move(intent, agent, "wake")
    assert [each.status for each in Standing.objects.all()] == ["IN_PROGRESS"]

    ledger.claim([slot(agent)])

    assert not Standing.objects.exists()
    assert ids(found(agent, "status=IN_PROGRESS")) == [intent.pk]


def test_a_failure_that_was_retried_says_so(crowd: list[Agent]) -> None:
    failed = Intent.objects.filter(status="FAILED").first()
    assert failed

    failed.retry(actor="human:ada")

    assert Standing.objects.get(pk=failed.pk).is_retried
    assert Standing.objects.filter(is_retried=True).count() == 1
    agent = failed.recipient
    assert ids(found(agent, "retried=yes")) == [failed.pk]
    assert failed.pk not in ids(found(agent, "retried=no&status=FAILED", limit=1000))


def test_each_row_says_why_it_failed() -> None:
    agent = make_recipient()
    intent = make_intent(agent)
    ledger.finish([Ending(hold(intent), EventType.FAILED, {"error": {"code": "bad_input"}})])

    [row] = found(agent).rows

    assert row["intent_id"] == intent.pk
    assert (row["status"], row["code"], row["is_retried"]) == ("FAILED", "bad_input", False)


def test_an_id_and_how_it_begins_are_found(crowd: list[Agent]) -> None:
    agent = crowd[0]
    wanted = Intent.objects.filter(workspace=agent.workspace).latest("pk")

    assert ids(found(agent, f"q={wanted.pk}")) == [wanted.pk]
    assert ids(found(agent, f"q={str(wanted.pk)[:30]}")) == [wanted.pk]
    assert ids(found(agent, f"q={str(wanted.pk)[-12:]}")) == [wanted.pk]
    assert wanted.pk in ids(found(agent, f"q={str(wanted.pk)[:13]}", limit=1000))


def test_nothing_of_another_tenant_is_found(crowd: list[Agent]) -> None:
    agent, stranger = crowd[0], crowd[2]
    theirs = Intent.objects.filter(workspace=stranger.workspace).latest("pk")

    assert ids(found(agent, f"q={theirs.pk}")) == []
    assert ids(found(agent, f"correlation={theirs.correlation_id}")) in (
        [],
        by_reading_all(agent, lambda each: each.correlation_id == theirs.correlation_id),
    )
    assert found(agent, f"agent={stranger.service_account_id}").is_agent_unknown
    assert finding.run(finding.count(agent.workspace_id, Filters.of(f"q={theirs.pk}"))).number == 0
    for query in CASES:
        assert all(
            Intent.objects.get(pk=each).workspace_id == agent.workspace_id
            for each in ids(found(agent, query, limit=200))
        )


@pytest.mark.parametrize(
    "text",
    [
        "' OR 1=1 --",
        "payload.a':x",
        "payload.customer.id:3' OR '1'='1",
        "%",
        "_",
        "%s",
        "%(workspace_id)s",
        "{fits}",
        "\\",
        "payload.{a,b}:x",
        "payload..:",
        'payload.a:"\\x1f"',
        "); DROP TABLE intents_intent; --",
        "$1",
        "\u202e",
        "🙂",
    ],
)
def test_hostile_text_is_only_text(crowd: list[Agent], text: str) -> None:
    filters = Filters(text=text)

    page = finding.run(finding.page(crowd[0].workspace_id, filters))
    counted = finding.run(finding.count(crowd[0].workspace_id, filters))

    assert (page.rows, counted.number) == ([], 0)


def test_a_word_with_wildcards_matches_itself(crowd: list[Agent]) -> None:
    intent = make_intent(crowd[0], from_agent="agent://x/100%_\\done")

    assert ids(found(crowd[0], "q=100%25_\\done")) == [intent.pk]


def test_time_is_read_from_the_intent_not_from_its_id() -> None:
    agent = make_recipient()
    intents = [make_intent(agent) for _ in range(3)]
    hour = datetime(2026, 5, 1, 12, tzinfo=UTC)
    middle = intents[1]
    Intent.objects.filter(pk=middle.pk).update(created_at=Now() - timedelta(seconds=100))

    assert ids(found(agent, "within=15m")) == [each.pk for each in reversed(intents)]
    since = (datetime.now(UTC) - timedelta(seconds=50)).isoformat().replace("+", "%2B")
    assert ids(found(agent, f"from={since}")) == [intents[2].pk, intents[0].pk]
    assert ids(found(agent, f"to={since}")) == [middle.pk]
    assert ids(found(agent, f"to={hour.isoformat().replace('+', '%2B')}")) == []


def test_a_search_stops_when_its_patience_ends_and_says_how_far_it_came(
    crowd: list[Agent], small_windows: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(finding, "monotonic", lambda: float(next(clock)) * 5)

    page = found(crowd[0], "q=nothing-of-that-kind")

    assert page.rows == []
    assert 0 < page.looked_at < 40, page
    assert page.reached is not None
    assert abs(page.reached - datetime.now(UTC)) < timedelta(minutes=5)
    assert page.older is not None
    deeper = found(crowd[0], "q=nothing-of-that-kind", before=page.older)
    assert deeper.older is None or deeper.older < page.older


def test_a_search_that_payloads_slow_down_goes_on_in_smaller_windows(
    crowd: list[Agent], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    execute = candidates._rows

    def be_slow(query: candidates.Query) -> list[dict[str, Any]]:
        if "window" in query.parameters:
            asked.append(query.parameters["window"])
            if query.parameters["window"] > 200:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_sleep(5)")
        return execute(query)

    monkeypatch.setattr(candidates, "_rows", be_slow)
    monkeypatch.setattr(candidates, "WINDOW_TIMEOUT_MS", 50)

    page = found(crowd[0], "q=payload.customer.id:3", limit=1000)

    assert asked[:2] == [2000, 125]
    assert ids(page) == by_reading_all(crowd[0], lambda each: each.payload["customer"]["id"] == 3)


def test_a_page_takes_few_statements(crowd: list[Agent]) -> None:
    for query in ("", "status=FAILED", "status=SUBMITTED", f"correlation={CORRELATION}", "type=etl.run.v1"):
        with CaptureQueriesContext(connection) as queries:
            found(crowd[0], query)
        assert len(queries) <= 2, query
    with CaptureQueriesContext(connection) as queries:
        found(crowd[0], "agent=worker")
    assert len(queries) == 2


@pytest.mark.django_db(transaction=True)
async def test_streams_find_the_same_on_the_pool() -> None:
    agent = await postgres.in_thread(make_recipient)
    intents = [(await postgres.in_thread(make_intent, agent)).pk for _ in range(3)]
    try:
        for query in ("", "status=SUBMITTED", "q=payload.x:1", f"agent={agent.address}"):
            page = await finding.run_on_pool(finding.page(agent.workspace_id, Filters.of(query)))
            assert ids(page) == ([] if "payload" in query else intents[::-1]), query
    finally:
        await postgres.close()


def test_a_terms_text_is_indexed_only_without_words() -> None:
    assert Text.of(str(CORRELATION)).is_indexed
    assert not Text.of("word").is_indexed
