"""Health says what works; metrics count, for those who may see them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from agents import postgres
from controlplane import health, metrics
from controlplane.asgi import application
from controlplane.stored_figures import StoredFigures
from intents import ledger
from intents.lifecycle import EventType
from intents.models import Intent
from intents.records import Ending, Hold
from tests.controlplane.conftest import Edge
from tests.factories import make_agent, make_key
from tests.intents.factories import make_delivery, make_recipient


@pytest_asyncio.fixture
async def whole() -> AsyncIterator[Edge]:
    """The application as the server serves it."""
    yield Edge(application)
    await postgres.close()


async def unavailable() -> dict[str, Any]:
    raise postgres.DatabaseUnavailable


async def swept(ago: str) -> None:
    await postgres.rows(
        """
        INSERT INTO intents_sweeprun (id, ran_at) VALUES (1, statement_timestamp() - %s::interval)
        ON CONFLICT (id) DO UPDATE SET ran_at = excluded.ran_at
        """,
        [ago],
    )


async def test_the_process_says_that_it_lives_without_asking_anybody(
    whole: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_database", unavailable)

    assert (await whole.ask("GET", "/healthz/live")).status == 200
    assert (await whole.ask("GET", "/health")).json["ok"] is True


@pytest.mark.django_db(transaction=True)
async def test_everything_in_order_is_ready(whole: Edge) -> None:
    await swept("0 seconds")

    answer = await whole.ask("GET", "/healthz/ready")

    assert (answer.status, answer.json["status"]) == (200, "ready")
    assert set(answer.json["checks"]) == {"database", "doorbell", "sweep"}


@pytest.mark.django_db(transaction=True)
async def test_a_sweep_that_is_late_is_degraded_but_ready(whole: Edge) -> None:
    await postgres.rows("DELETE FROM intents_sweeprun")
    never = await whole.ask("GET", "/healthz/ready")
    await swept("1 hour")
    late = await whole.ask("GET", "/healthz/ready")

    assert (never.status, never.json["status"]) == (200, "degraded")
    assert (late.status, late.json["status"]) == (200, "degraded")
    assert late.json["checks"]["sweep"]["age_seconds"] >= 3600


@pytest.mark.django_db(transaction=True)
async def test_without_the_database_nothing_is_ready(whole: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_database", unavailable)

    answer = await whole.ask("GET", "/healthz/ready")

    assert (answer.status, answer.json["status"]) == (503, "unavailable")
    assert answer.json["checks"]["database"] == {"ok": False, "error": "DatabaseUnavailable"}


@pytest.mark.django_db(transaction=True)
async def test_metrics_are_for_this_machine_and_for_keys_that_may(whole: Edge) -> None:
    def tokens() -> list[str]:
        agent = make_agent()
        return [make_key(agent, scopes)[1] for scopes in (["agent"], ["metrics"], ["admin"])]

    agent, scraper, admin = [{"x-api-key": token} for token in await postgres.in_thread(tokens)]

    async def status(**request: Any) -> int:
        return (await whole.ask("GET", "/metrics", **request)).status

    assert await status(client="127.0.0.1") == 200
    assert await status(client="::1") == 200
    assert await status(client="127.0.0.1", headers={"x-forwarded-for": "127.0.0.1"}) == 401
    assert await status() == 401
    assert await status(headers=agent) == 403
    assert await status(headers=scraper) == 200
    assert await status(headers=admin) == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("scope", ["metrics", "admin"])
async def test_a_key_sees_of_what_is_labelled_the_figures_of_its_own_organization(
    whole: Edge, monkeypatch: pytest.MonkeyPatch, scope: str
) -> None:
    monkeypatch.setattr(metrics, "stored", StoredFigures())  # has read nothing yet

    def world() -> tuple[str, str, str]:
        mine, theirs = make_recipient(), make_recipient()
        for agent in (mine, theirs):
            make_delivery(agent)
        return mine.organization.slug, theirs.organization.slug, make_key(mine, [scope])[1]

    mine, theirs, token = await postgres.in_thread(world)

    async def organizations(**request: Any) -> set[str]:
        text = (await whole.ask("GET", "/metrics", **request)).content.decode()
        samples = [each for family in text_string_to_metric_families(text) for each in family.samples]
        assert "perdure_intents" in {each.name for each in samples}
        return {each.labels["organization"] for each in samples if "organization" in each.labels}

    assert await organizations(headers={"x-api-key": token}) == {mine}
    assert await organizations(client="127.0.0.1", headers={"x-forwarded-for": "x", "x-api-key": token}) == {
        mine
    }
    assert {mine, theirs} <= await organizations(client="127.0.0.1")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("perdure.example", 200),
        ("rebound.example:8000", 401),
        ("localhost.rebound.example", 401),
        ("not a name", 401),
    ],
)
async def test_a_website_whose_name_leads_here_is_not_this_machine(
    whole: Edge, settings: Any, host: str, status: int
) -> None:
    settings.ALLOWED_HOSTS = ["perdure.example"]

    answer = await whole.ask("GET", "/metrics", client="127.0.0.1", headers={"host": host})

    assert answer.status == status


@pytest.mark.django_db(transaction=True)
async def test_metrics_show_what_is_counted_and_what_is_stored(
    whole: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "stored", StoredFigures())  # has read nothing yet
    answer = await whole.ask("GET", "/metrics", client="127.0.0.1")

    families = {family.name: family for family in text_string_to_metric_families(answer.content.decode())}
    assert {
        "perdure_claim_size",
        "perdure_dead_letters",
        "perdure_intents",
        "perdure_ready_deliveries",
    } <= set(families)
    [complete] = families["perdure_stored_figures_complete"].samples
    assert complete.value == 1


def gauge(figures: StoredFigures, name: str) -> dict[str, float]:
    """What the figure says, by organization."""
    [family] = [each for each in figures.collect() if each.name == name]
    return {sample.labels["organization"]: sample.value for sample in family.samples}


def fail_two_of_three() -> list[Intent]:
    """Intents of one agent; the first is owed still."""
    deliveries = [make_delivery(agent) for agent in [make_recipient()] * 3]
    for delivery in deliveries[1:]:
        by_operator = Hold(delivery.intent_id, delivery.intent.organization_id)
        ledger.finish([Ending(by_operator, EventType.FAILED)])
    return [delivery.intent for delivery in deliveries]


@pytest.mark.django_db(transaction=True)
async def test_dead_letters_are_told_whoever_has_noticed_them_until_they_are_retried() -> None:
    [_, failed, _] = await postgres.in_thread(fail_two_of_three)
    elsewhere = (await postgres.in_thread(make_recipient)).organization_id
    slugs = {
        row["id"]: row["slug"] for row in await postgres.rows("SELECT id, slug FROM agents_organization")
    }
    here, there = slugs[failed.organization_id], slugs[elsewhere]

    before = StoredFigures()
    await before.refresh()
    failed_now = await postgres.in_thread(Intent.objects.get, pk=failed.pk)
    await postgres.in_thread(failed_now.retry, actor="human:ada")
    after = StoredFigures()
    await after.refresh()
    await postgres.close()

    name = "perdure_dead_letters_waiting"
    assert (gauge(before, name)[here], gauge(before, name)[there]) == (2, 0)
    assert gauge(after, name)[here] == 1


@pytest.mark.django_db(transaction=True)
async def test_a_database_that_is_away_leaves_the_old_figures(
    whole: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = StoredFigures()
    await figures.refresh()
    assert figures.is_complete
    monkeypatch.setattr(figures, "_read", unavailable)
    figures._read_at = float("-inf")

    await figures.refresh()

    assert not figures.is_complete
