"""Sixty texts that would run if a page believed them, in every field that people and agents fill, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import cycle

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.browsing import log_in
from tests.browser.conftest import Console, OpenContext
from tests.browser.hands import Hand
from tests.browser.places import SPOTS
from tests.browser.story import ROOT, Story
from tests.intents.pages.hostile import HOSTILE
from tests.live import in_database, intent
from tests.servers import Perdure

pytestmark = pytest.mark.e2e

#: Whatever a script of somebody else's would do first.
TRAP = """
    window.sprung = [];
    for (const name of ["alert", "confirm", "prompt", "print", "open"])
        window[name] = (...said) => { window.sprung.push(`${name} ${said}`); };
"""
#: What ours are: all that a page may have of these.
STRANGERS = """() => [...document.querySelectorAll(
    "iframe, object, embed, base, style, img, video, audio, marquee, math, script:not([src^='/static/']), svg script,"
    + " link:not([href^='/static/']), [style], [onerror], [onload], [onclick], [href^='javascript:' i], [hx-on]"
)].map((each) => each.outerHTML.slice(0, 200))"""
#: Fields that a form or the API would refuse some of these in, but that an older release may have let in.
FILL = """
    WITH texts AS (SELECT array_agg(text ORDER BY place) AS all_ FROM unnest(%(texts)s::text[])
        WITH ORDINALITY AS each (text, place)),
    keys AS (UPDATE agents_apikey SET label = left(all_[1 + abs(hashtext(id)) %% 60], 100),
        last_used_client = left(all_[1 + abs(hashtext(id)) %% 59], 200), created_by = all_[2] FROM texts),
    agents AS (UPDATE agents_agent SET display_name = all_[1 + agents_agent.id %% 60],
        description = all_[1 + (agents_agent.id + 1) %% 60] FROM texts),
    organizations AS (UPDATE agents_organization SET name = all_[5] FROM texts),
    workspaces AS (UPDATE agents_workspace SET name = all_[13] FROM texts),
    people AS (UPDATE auth_user SET username = all_[3] FROM texts WHERE username <> %(admin)s),
    devices AS (UPDATE agents_signin SET user_agent = all_[1] FROM texts),
    intents AS (UPDATE intents_intent SET intent_type = all_[1 + abs(hashtext(id::text)) %% 60],
        to_agent = all_[1 + abs(hashtext(id::text)) %% 59], from_agent = all_[1 + abs(hashtext(id::text)) %% 58]
        FROM texts WHERE id = ANY(%(ids)s::uuid[]))
    UPDATE agents_connection SET client = left(all_[20], 200) FROM texts
"""


@pytest.fixture(scope="module")
def story(perdure: Perdure) -> Iterator[Story]:
    with Story(perdure, ordinary=20) as story:
        yield story


@pytest.fixture
def page(perdure: Perdure, open_context: OpenContext, console: Console) -> Page:
    """A page with a trap for scripts. A dialog, or what is loaded from elsewhere, is a complaint, too."""
    context = open_context()
    context.add_init_script(TRAP)

    def note(request: Request) -> None:
        if not request.url.startswith((perdure.base_url, "data:")):
            console.complaints.append(f"loads {request.url}")

    context.on("request", note)
    context.on("dialog", lambda dialog: console.complaints.append(f"a dialog: {dialog.message}"))
    page = context.new_page()
    log_in(page, perdure.facts["PERDURE_ADMIN_USER"], perdure.facts["PERDURE_ADMIN_PASSWORD"])
    return page


def harmless(page: Page) -> None:
    assert page.evaluate("window.sprung") == [], page.url
    assert page.evaluate(STRANGERS) == [], page.url


def test_a_stream_of_them_stays_text(page: Page, story: Story) -> None:
    """They come in while list and intent are open: streamed rows, events, checkpoints and outcomes."""
    reader = story.accounts["invoice-reader"]
    page.goto(f"{ROOT}intents/?agent={reader.address}")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    one, another = HOSTILE[0], HOSTILE[12]
    watched = story.operator.submit(reader, {one: another})
    row = page.locator(f"#row-{watched}")
    expect(row).to_be_visible()
    harmless(page)

    detail = page.context.new_page()
    detail.goto(f"{ROOT}intents/{watched}/")
    expect(detail.locator("#live")).to_have_attribute("data-state", "live")
    with Hand(reader, story.perdure.base_url, client=another) as hand:
        delivery = hand.start()
        for text in HOSTILE:
            hand.save(delivery, text.replace("//", "/").replace("/../", "/").strip("/"), {text: text})
        hand.fail(delivery, {"code": another, "message": one, one: [another]})

    expect(detail.locator("#sentence")).to_contain_text("Failed")
    expect(detail.locator("#checkpoint-list .checkpoint")).to_have_count(len(HOSTILE))
    shown = detail.locator("#checkpoint-list").text_content() or ""
    assert [text for text in HOSTILE if "//" not in text and text.strip("/") not in shown] == []
    harmless(detail)
    expect(row).to_contain_text("Failed")
    harmless(page)


def test_every_page_shows_them_as_text(page: Page, story: Story) -> None:
    texts = cycle(HOSTILE)
    bodies = [
        intent(
            story.accounts["payments-agent"],
            {text: next(texts), "list": [text, {text: None}]},
            reply_to=story.accounts["invoice-reader"].address,
        )
        for text in HOSTILE
    ]
    answer = story.operator.post("/v1/intents/batch", {"intents": bodies})
    ids = [each["intent_id"] for each in answer["results"]]
    for id_, text in zip(ids[:30], HOSTILE[30:], strict=True):
        failed = {"status": "FAILED", "error": {"code": text, "message": text, text: text}, "reason": text}
        story.operator.post(f"/v1/intents/{id_}/resolve", failed)
    for id_, text in zip(ids[30:40], HOSTILE[:10], strict=True):
        story.operator.post(f"/v1/intents/{id_}/resolve", {"status": "CANCELED", "reason": text})
    for place, text in enumerate(HOSTILE[::6]):
        page.goto(f"{ROOT}intents/?status=FAILED&type=view{place}")
        page.locator("#views > summary").click()
        page.get_by_label("Save these filters as").fill(text[:60])
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(" ".join(text[:60].split()))
    admin = story.perdure.facts["PERDURE_ADMIN_USER"]
    in_database(story.perdure, FILL, texts=list(HOSTILE), admin=admin, ids=ids)

    for id_ in (ids[0], ids[12], ids[29], ids[35]):
        for more in ("", "retries/"):
            page.goto(f"{ROOT}intents/{id_}/{more}")
            page.locator("details").evaluate_all("all => all.forEach(each => each.open = true)")
            harmless(page)
    for query in (
        "?status=FAILED",
        f"?q={json.dumps(HOSTILE[2])}&agent=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
    ):
        page.goto(f"{ROOT}intents/{query}")
        harmless(page)
    for spot in SPOTS:
        if not spot.is_public and spot.status == 200 and spot.name not in ("key-issued", "bulk-done"):
            spot.visit(page, story)
            harmless(page)
