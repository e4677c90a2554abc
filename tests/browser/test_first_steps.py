"""What somebody new does: from an empty page to a completed intent, on a phone, with what the pages themselves say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from agents.models import Role
from tests.browser.browsing import PHONE, log_in
from tests.browser.conftest import Console, MakePerson, OpenContext
from tests.live import Operator
from tests.servers import Perdure

pytestmark = pytest.mark.e2e


@contextmanager
def running(code: str, key: str) -> Iterator[subprocess.Popen[str]]:
    """The code as a program of its own, given nothing but a key."""
    environment = {**os.environ, "AXME_API_KEY": key}
    environment.pop("AXME_BASE_URL", None)
    program = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield program
    finally:
        program.kill()
        program.communicate()


def test_the_lines_that_are_shown_lead_from_an_empty_page_to_a_completed_intent(
    perdure: Perdure, person: MakePerson
) -> None:
    with Operator.of_another_tenant(perdure, slug="newcomers") as operator:
        key = operator.key
        operator.register("pipeline-agent")
    page = person(Role.ADMIN, organization="newcomers", viewport=PHONE).page
    root = "/o/newcomers/production/"
    page.goto(f"{root}intents/")
    expect(page.get_by_role("heading", name="Submit the first intent")).to_be_visible()
    lines = page.locator("#first-intent").text_content() or ""
    assert len(lines.splitlines()) == 10

    with running(lines, key) as submission:
        said, complaint = submission.communicate(timeout=120)
    assert submission.returncode == 0, complaint

    row = page.locator(f"#row-{said.strip()}")
    expect(row).to_contain_text("No agent has ever connected")
    row.get_by_role("link").first.click()
    sentence = page.locator("#sentence")
    expect(sentence).to_contain_text("no agent has ever connected")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")

    other = page.context.new_page()
    other.goto(f"{root}agents/")
    other.get_by_role("link", name="pipeline-agent").click()
    other.get_by_text("Python, the axme SDK").click()
    agent_lines = other.locator("pre").filter(has_text="AxmeClient").first.text_content() or ""
    with running(agent_lines, key):
        expect(sentence).to_contain_text("Completed at the first attempt")
    expect(page.locator("#result")).to_contain_text("etl-customers")


def test_single_actions_need_no_script(perdure: Perdure, open_context: OpenContext, console: Console) -> None:
    console.forgive("422 (Unprocessable")  # the payload that is no JSON
    with Operator.of(perdure) as operator:
        worker = operator.register()
        intent_id = operator.submit(worker, {"rows": 3})
    page = open_context(java_script_enabled=False).new_page()
    log_in(page, perdure.facts["PERDURE_ADMIN_USER"], perdure.facts["PERDURE_ADMIN_PASSWORD"])
    page.get_by_role("link", name="Agents", exact=True).click()
    page.get_by_role("link", name=worker.name).click()
    page.get_by_role("link", name="Its intents").click()
    page.locator(f"#row-{intent_id}").get_by_role("link").first.click()
    expect(page.locator("#sentence")).to_contain_text("no agent has ever connected")
    expect(page.locator("#timeline")).to_contain_text("Submitted")

    page.locator("#action-cancel > summary").click()
    page.locator("#reason-cancel").fill("a mistake")
    page.locator("#action-cancel button").click()
    expect(page.locator("#sentence")).to_contain_text("“a mistake”")

    page.locator("#action-retry > summary").click()
    page.get_by_text("With another payload").click()
    page.get_by_role("textbox", name="Payload").fill("{not json")
    page.get_by_role("button", name="Retry", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("payload")
    page.get_by_role("textbox", name="Payload").fill('{"rows": 4}')
    page.get_by_role("button", name="Retry", exact=True).click()
    expect(page.locator("#relations")).to_contain_text("Retries")
    expect(page).not_to_have_url(re.compile(intent_id))
