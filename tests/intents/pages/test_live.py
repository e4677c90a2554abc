"""The streams of list and overview, from real servers: what changes comes, to whom it may, and as text."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from time import monotonic
from uuid import UUID

import httpx
import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher

from intents.pages.live import fragment
from intents.pages.rows import Frame, render
from intents.rows import ListRow
from tests.intents.pages.hostile import HOSTILE
from tests.intents.pages.markup import assert_harmless
from tests.intents.pages.streams import listen, logged_in
from tests.live import Operator, in_database
from tests.servers import Perdure, wait_until

LIST, OVERVIEW = "/live/o/myorg/production/intents", "/live/o/myorg/production/"


@pytest.fixture(scope="module")
def operator(commons: Perdure) -> Iterator[Operator]:
    with Operator.of(commons) as operator:
        yield operator


@pytest.fixture(scope="module")
def browser(commons: Perdure) -> Iterator[httpx.Client]:
    """The administrator's session at the second web process; what changes is changed at the first."""
    with logged_in(commons, web=1) as client:
        yield client


@pytest.mark.e2e
def test_a_list_is_shown_whole_then_kept_true(browser: httpx.Client, operator: Operator) -> None:
    worker = operator.register()
    first = operator.submit(worker)
    with listen(browser, f"{LIST}?agent={worker.address}") as stream:
        stream.wait_for("rows", f'id="row-{first}"', "Submitted")

        second = operator.submit(worker)
        told = stream.wait_for("new", f'id="row-{second}"')
        assert told.startswith("1\n<tr ")
        operator.post(f"/v1/intents/{first}/resolve", {"status": "CANCELED", "reason": "no longer wanted"})
        told = stream.wait_for("rows", f'id="row-{first}"', "Canceled")

    assert second not in told
    assert all("<tr" in data for _, name, data in stream.events if name == "new")


@pytest.mark.e2e
def test_a_list_by_status_is_told_of_what_comes_to_fit(browser: httpx.Client, operator: Operator) -> None:
    worker = operator.register()
    intent = operator.submit(worker)
    with listen(browser, f"{LIST}?agent={worker.address}&status=FAILED") as stream:
        stream.wait_for("rows")
        operator.post(
            f"/v1/intents/{intent}/resolve",
            {"status": "FAILED", "error": {"code": HOSTILE[0], "message": "x"}},
        )

        told = stream.wait_for("new", f'id="row-{intent}"', "Failed")

    assert HOSTILE[0] in assert_harmless(told).text


@pytest.mark.e2e
def test_the_overview_is_shown_whole_then_kept_true(browser: httpx.Client, operator: Operator) -> None:
    with listen(browser, OVERVIEW) as stream:
        for part in ("tiles", "chart", "dead"):
            stream.wait_for("part", f'<section id="{part}"')
        before = len(stream.events)
        operator.submit(operator.register())

        wait_until(lambda: len(stream.events) > before, 30, "the tiles change")

    assert stream.events[before][2].startswith('<section id="tiles"')


@pytest.fixture(scope="module")
def neighbours(commons: Perdure) -> str:
    """An organization that the administrator is no member of."""
    slug = "neighbours-of-lists"
    with Operator.of_another_tenant(commons, slug):
        return slug


@pytest.mark.e2e
@pytest.mark.parametrize("path", [LIST, OVERVIEW])
def test_who_is_not_logged_in_or_not_a_member_hears_nothing(
    commons: Perdure, browser: httpx.Client, neighbours: str, path: str
) -> None:
    assert httpx.get(commons.web[1].base_url + path).status_code == 401
    for foreign in (neighbours, "nowhere"):
        assert browser.get(path.replace("myorg", foreign)).status_code == 404
    assert browser.get(path.replace("production", "nowhere")).status_code == 404


@pytest.mark.e2e
@pytest.mark.parametrize("how", ["logout", "membership", "role", "password", "inactive"])
def test_a_stream_ends_when_its_reader_may_not_stay(commons: Perdure, operator: Operator, how: str) -> None:
    hasher = Argon2PasswordHasher()
    name = f"guest-{how}-{operator.submit(operator.register())[-8:]}"
    in_database(
        commons,
        "WITH person AS (INSERT INTO auth_user (username, password, is_active, is_staff, is_superuser, first_name,"
        " last_name, email, date_joined) VALUES (%s, %s, true, false, false, '', '', '', now()) RETURNING id)"
        " INSERT INTO agents_membership (user_id, organization_id, role)"
        " SELECT person.id, organization.id, 'operator' FROM person, agents_organization AS organization"
        " WHERE slug = 'myorg'",
        name,
        hasher.encode("correct horse", hasher.salt()),
    )
    person = "user_id = (SELECT id FROM auth_user WHERE username = %s)"
    with logged_in(commons, web=1, name=name, password="correct horse") as client:
        with listen(client, LIST) as stream, listen(client, OVERVIEW) as other:
            stream.wait_for("rows")
            other.wait_for("part")
            if how == "logout":
                token = client.cookies["csrftoken"]
                client.post(
                    "/logout/",
                    data={"csrfmiddlewaretoken": token},
                    headers={"Referer": commons.web[1].base_url},
                )
            elif how == "membership":
                in_database(commons, f"DELETE FROM agents_membership WHERE {person}", name)
            elif how == "role":
                in_database(commons, f"UPDATE agents_membership SET role = 'viewer' WHERE {person}", name)
            elif how == "password":
                in_database(commons, "UPDATE auth_user SET password = 'other' WHERE username = %s", name)
            else:
                in_database(commons, "UPDATE auth_user SET is_active = false WHERE username = %s", name)
            since = monotonic()

            wait_until(lambda: stream.ended_at and other.ended_at, 30, "both streams end")

        assert stream.ended_at
        assert stream.ended_at - since < 5
        if how == "role":  # it comes back as what it is now
            with listen(client, LIST) as stream:
                stream.wait_for("rows")
        else:
            assert client.get(LIST).status_code == (404 if how == "membership" else 401)


def row(text: str) -> ListRow:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    return ListRow(UUID(int=1), 1, "FAILED", text, text, at, at, 1, 3, text, text, True, True)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_in_a_streamed_row_is_text(text: str) -> None:
    html = render(row(text), Frame("/o/myorg/production/intents/", is_operator=True))

    markup = assert_harmless(html)

    assert [tag for tag, _ in markup.tags].count("tr") == 1
    assert text in markup.text


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\rb", "a\n\nevent: rows\ndata: <b>", "\n", ""])
def test_text_cannot_leave_its_frame(text: str) -> None:
    frame = fragment("rows", [text]).decode()

    head, *lines = frame.removesuffix("\n\n").split("\n")
    assert head == "event: rows"
    assert all(line.startswith("data: ") for line in lines)
    assert "\r" not in frame


def test_other_separators_stay_in_their_line() -> None:
    assert fragment("new", ["1", "a\u2028b\x85c"]) == "event: new\ndata: 1\ndata: a\u2028b\x85c\n\n".encode()
