"""The array literals that we write ourselves say to PostgreSQL what the lists said to us."""

from __future__ import annotations

from datetime import UTC
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings, strategies as st

from intents import arrays
from intents.lifecycle import EventType

pytestmark = pytest.mark.django_db

#: Everything that PostgreSQL can store as text, what it would take for syntax more often than the rest.
texts = st.text(
    st.sampled_from("\\\"{},' \n") | st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
) | st.sampled_from(["NULL", "null", "", "{}", '"', "\\", "%s"])
times = st.datetimes(timezones=st.just(UTC))
KINDS: list[tuple[str, st.SearchStrategy[Any]]] = [
    ("text", texts),
    ("bytea", st.binary()),
    ("bigint", st.integers(-(2**63), 2**63 - 1)),
    ("double precision", st.floats(allow_nan=False)),
    ("boolean", st.booleans()),
    ("uuid", st.uuids()),
    ("timestamptz", times),
]


@pytest.mark.parametrize(("kind", "values"), KINDS, ids=[kind for kind, _ in KINDS])
def test_a_list_comes_back_as_it_went(kind: str, values: st.SearchStrategy[Any]) -> None:
    @settings(
        max_examples=60,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(st.none() | values))
    def comes_back(sent: list[Any]) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT %s::{kind}[]", [arrays.literal(sent)])
            [[received]] = cursor.fetchall()
        assert [bytes(each) if isinstance(each, memoryview) else each for each in received] == sent

    comes_back()


def test_the_member_of_an_enumeration_is_its_value() -> None:
    assert arrays.literal([EventType.COMPLETED]) == '{"intent.completed"}'


def test_only_lists_become_literals() -> None:
    token = uuid4()

    assert arrays.parameters({"ids": [token, None], "limit": 5}) == {
        "ids": f"{{{token.hex},NULL}}",
        "limit": 5,
    }


def test_what_no_column_holds_is_refused() -> None:
    with pytest.raises(TypeError, match="no array holds a dict"):
        arrays.literal([{}])
