"""Tokens of API keys."""

from __future__ import annotations

import pytest
from django.test import override_settings

from agents import tokens


def test_a_token_names_its_service_account_and_no_two_are_alike() -> None:
    first, second = (tokens.make("sa_0123456789abcdef") for _ in range(2))

    assert first.startswith("axme_sa_sa_0123456789abcdef_")
    assert first != second
    assert tokens.is_well_formed(first)


def test_every_single_typo_is_seen_without_the_database() -> None:
    token = tokens.make("sa_0123456789abcdef")

    for position in range(len(token)):
        typo = "0" if token[position] != "0" else "1"
        assert not tokens.is_well_formed(token[:position] + typo + token[position + 1 :])


@pytest.mark.parametrize(
    "text", ["", "axme_sa_", "axme_sa_sa_12_34", "Bearer x", "axme_sa_\ud800_x", "x" * 10_000]
)
def test_what_is_no_token_is_neither_well_formed_nor_an_error(text: str) -> None:
    assert not tokens.is_well_formed(text)
    assert len(tokens.digest(text)) == 32


def test_the_hash_depends_on_the_pepper() -> None:
    token = tokens.make("sa_0123456789abcdef")
    with override_settings(PERDURE_KEY_PEPPER="another"):
        elsewhere = tokens.digest(token)

    assert tokens.digest(token) != elsewhere


def test_the_hint_is_the_beginning_of_the_token_and_far_from_all_of_it() -> None:
    token = tokens.make("sa_0123456789abcdef")

    assert token.startswith(tokens.hint(token))
    assert len(token) - len(tokens.hint(token)) == 66
