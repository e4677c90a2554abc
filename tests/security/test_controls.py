"""The mutations that `make audit` tries are still possible: each changes the tree, and its test is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.audit.controls import CONTROLS, Mutation

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("mutation", CONTROLS, ids=lambda mutation: mutation.control)
def test_a_control_can_be_broken_and_its_test_be_asked(mutation: Mutation) -> None:
    source = (REPOSITORY / mutation.path).read_text()
    file, _, name = mutation.test.partition("::")

    assert source.count(mutation.old) > 0
    assert mutation.new != mutation.old
    assert f"def {name}" in (REPOSITORY / file).read_text()


def test_the_controls_that_have_to_be_are_there() -> None:
    words = " ".join(mutation.control for mutation in CONTROLS)

    for control in (
        "tenant filter",
        "CSRF",
        "origin check",
        "fence",
        "scope check",
        "redactor",
        "redirect ban",
        "append-only",
    ):
        assert control in words
