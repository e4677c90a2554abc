"""What all stories begin and end with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live import Account, Operator, assert_histories_add_up, verify_history
from tests.servers import Perdure


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all stories as such; hooks see the items of other directories too."""
    for item in items:
        if "end_to_end" in item.path.parts:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="module")
def verified(commons: Perdure) -> Iterator[Perdure]:
    """The shared Perdure, which an operator would find in order when the stories of a module are told."""
    yield commons
    verify_history(commons)


@pytest.fixture
def operator(verified: Perdure) -> Iterator[Operator]:
    """The operator of the shared Perdure, in which every history adds up when a story is over."""
    with Operator.of(verified) as operator:
        yield operator
    assert_histories_add_up(verified)


@pytest.fixture
def worker(operator: Operator) -> Account:
    """An agent that nobody else uses."""
    return operator.register()
