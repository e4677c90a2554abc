"""Fixtures for all tests. What starts whole servers is in `tests.servers`."""

from collections.abc import Iterator

import pytest

from tests.live import complaints
from tests.servers import Perdure


@pytest.fixture(scope="module")
def perdure() -> Iterator[Perdure]:
    """A complete Perdure with two web processes, worker and beat, for the tests of one module."""
    with Perdure(web=2) as running:
        yield running


@pytest.fixture(scope="session")
def commons() -> Iterator[Perdure]:
    """A complete Perdure with two web processes, shared by all tests that leave it unharmed, and without complaints."""
    with Perdure(web=2) as running:
        yield running
        assert complaints(running) == []
