"""One Perdure behind one nginx, for all tests of this folder that leave it as they found it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.conftest import chromium, console  # noqa: F401  (fixtures)
from tests.operations.nginx import Front, need_nginx


@pytest.fixture(scope="package")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """Perdure as production runs it: over HTTPS, below a path prefix, two web processes."""
    need_nginx()
    with Front(tmp_path_factory.mktemp("front")) as running:
        yield running
