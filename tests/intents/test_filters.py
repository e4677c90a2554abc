"""Filters as an address says them: read leniently for pages, strictly for actions, and written one way only."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from agents.errors import Invalid
from intents.filters import Filters, Text
from intents.lifecycle import Status

ID = UUID("01a207c7-bf81-7790-a02a-4e54e20d60e6")


def test_a_query_says_all_filters_and_nothing_else() -> None:
    filters = Filters.of(
        "status=failed&status=WAITING&agent=worker&type=etl.run.v1&within=1h&from=2026-11-23T09:30"
        f"&to=2026-11-23T10:30%2B01:00&q=+etl++payload.a.b:%22x+y%22&correlation={ID}&before={ID}&colour=red"
    )

    assert filters == Filters(
        statuses=frozenset({Status.FAILED, Status.WAITING}),
        agent="worker",
        intent_type="etl.run.v1",
        correlation_id=ID,
        within="1h",
        since=datetime(2026, 11, 23, 9, 30, tzinfo=UTC),
        until=datetime(2026, 11, 23, 9, 30, tzinfo=UTC),
        text='etl payload.a.b:"x y"',
    )
    assert Filters.of(filters.query()) == filters


def test_the_same_filters_are_written_one_way() -> None:
    one = Filters.of("q=x&status=WAITING&status=FAILED&agent=worker")
    other = Filters.of("agent=worker&status=FAILED&status=WAITING&status=FAILED&q=x")

    assert one.query() == other.query() == "status=WAITING&status=FAILED&agent=worker&q=x"


def test_nothing_asked_for_is_no_filter() -> None:
    assert not Filters.of("status=&agent=&q=+&before=")
    assert Filters().query() == ""


def test_a_filter_can_be_taken_off() -> None:
    filters = Filters.of("status=FAILED&agent=worker")

    assert filters.without("status") == Filters.of("agent=worker")
    assert not filters.without("status").without("agent")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("status=BROKEN", "status"),
        ("correlation=17", "correlation"),
        ("within=2h", "within"),
        ("from=yesterday", "from"),
        ("to=0001-01-01T00:00%2B23:00", "to"),
        ("q=%00", "q"),
        (f"agent={'a' * 400}", "agent"),
        ("type=a%0Ab", "type"),
        ("q=" + "+".join("abcdefghi"), "q"),
    ],
)
def test_what_makes_no_sense_is_said_and_never_widens_an_action(query: str, name: str) -> None:
    filters, wrong = Filters.read(query)

    assert list(wrong) == [name]
    assert not filters
    with pytest.raises(Invalid):
        Filters.of(query)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", Text()),
        (f"{ID}", Text(ids=(ID,))),
        ("01A207C7-bf8", Text(prefixes=("01a207c7-bf8",))),
        ("01a207c7", Text(words=("01a207c7",))),
        ('ETL "Two Words"', Text(words=("etl", "two words"))),
        ("payload.customer.id:42", Text(payload=((("customer", "id"), "42"),))),
        ('payload.name:"A: B"', Text(payload=((("name",), "A: B"),))),
        ("payload.name:", Text(payload=((("name",), ""),))),
        ("payload:x", Text(words=("payload:x",))),
        ("' OR 1=1 --", Text(words=("'", "or", "1=1", "--"))),
    ],
)
def test_text_is_taken_apart(text: str, wanted: Text) -> None:
    assert Text.of(text) == wanted
