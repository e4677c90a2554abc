"""A real browser on a real Perdure. What a page writes to the console as an error fails the test that opened it.

def test_something(browser_page: Page, perdure: Perdure) -> None:       # logged in as the first administrator
def test_another(person: MakePerson) -> None:
    viewer = person(Role.VIEWER)                                         # somebody new, logged in, page and all
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from agents.models import Role
from tests.browser.browsing import CHROMIUM, DESKTOP, PATIENCE_MS, log_in
from tests.live import in_database
from tests.servers import Perdure

_numbers = count(1)


@pytest.fixture(scope="module")
def perdure() -> Iterator[Perdure]:
    """A complete Perdure with one web process, for the tests of one module."""
    if not CHROMIUM:
        if os.environ.get("CI"):
            pytest.fail("There is no Chromium here, and continuous integration may not do without.")
        pytest.skip(
            "There is no Chromium here: install it (Debian: apt install chromium) to test in a browser."
        )
    with Perdure(web=1) as running:
        yield running


# Of the package, not the session: its event loop runs in this thread, where other tests want to run theirs.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One browser process for the session."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Console:
    """What pages complained about. Content that the policy refuses is among it."""

    complaints: list[str] = field(default_factory=list)
    #: That networks come and go on this machine, those of containers for one, is no page's doing.
    forgiven: list[str] = field(default_factory=lambda: ["net::ERR_NETWORK_CHANGED"])

    def forgive(self, *parts: str) -> None:
        """Expect complaints that contain this: a page that answers 404 is one."""
        self.forgiven += parts

    def listen(self, page: Page) -> None:
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.location.get('url', '')}: {message.text}")

    def unforgiven(self) -> list[str]:
        return [said for said in self.complaints if not any(part in said for part in self.forgiven)]


@pytest.fixture
def console() -> Iterator[Console]:
    """Listens to every page of the test; nothing may have complained at the end."""
    heard = Console()
    yield heard
    assert heard.unforgiven() == []


OpenContext = Callable[..., BrowserContext]


@pytest.fixture
def open_context(perdure: Perdure, chromium: Browser, console: Console) -> Iterator[OpenContext]:
    """Opens fresh contexts: nobody logged in, nothing remembered. Options are Playwright's."""
    opened: list[BrowserContext] = []

    def open_one(**options: object) -> BrowserContext:
        defaults: dict[str, object] = {"base_url": perdure.base_url, "viewport": DESKTOP}
        context = chromium.new_context(**{**defaults, **options})  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        context.on("page", console.listen)
        opened.append(context)
        return context

    yield open_one
    for context in opened:
        context.close()


@dataclass(frozen=True)
class Person:
    """Somebody with a login and a page to look at."""

    username: str
    password: str
    page: Page

    def log_in(self) -> None:
        """Through the page, as people do."""
        log_in(self.page, self.username, self.password)


@pytest.fixture
def browser_page(perdure: Perdure, open_context: OpenContext) -> Page:
    """A page on which the first administrator is logged in."""
    page = open_context().new_page()
    log_in(page, perdure.facts["PERDURE_ADMIN_USER"], perdure.facts["PERDURE_ADMIN_PASSWORD"])
    return page


MakePerson = Callable[..., Person]


@pytest.fixture
def person(perdure: Perdure, open_context: OpenContext) -> MakePerson:
    """Makes members: `person(Role.VIEWER)`, in another organization `person(Role.ADMIN, organization="globex")`."""

    def make(role: Role, *, organization: str = "myorg", **options: object) -> Person:
        username, password = f"{role}-{next(_numbers)}-{secrets.token_hex(3)}", secrets.token_urlsafe(12)
        hasher = Argon2PasswordHasher()  # the tests' own settings have a cheap one, which the servers do not
        in_database(
            perdure,
            "WITH person AS (INSERT INTO auth_user (username, password, is_active, is_staff, is_superuser, first_name,"
            " last_name, email, date_joined) VALUES (%s, %s, true, false, false, '', '', '', now()) RETURNING id)"
            " INSERT INTO agents_membership (user_id, organization_id, role)"
            " SELECT person.id, organization.id, %s FROM person, agents_organization AS organization WHERE slug = %s",
            username,
            hasher.encode(password, hasher.salt()),
            str(role),
            organization,
        )
        somebody = Person(username, password, open_context(**options).new_page())
        somebody.log_in()
        return somebody

    return make
