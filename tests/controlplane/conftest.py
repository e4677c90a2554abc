"""The edge under test, serving sample routes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from agents import postgres
from controlplane.v1_handler import V1Handler
from tests.controlplane import sample_urls
from tests.controlplane.exchange import Exchange
from tests.controlplane.sample_urls import Diary
from tests.factories import make_key


class SampleHandler(V1Handler):
    urlconf = sample_urls.__name__


class Edge:
    """Speaks to an application."""

    def __init__(self, application: Any) -> None:
        self.application = application

    def open(self, method: str, path: str, **request: Any) -> Exchange:
        """A request whose answer is not waited for."""
        return Exchange(self.application, method, path, **request)

    async def ask(self, method: str, path: str, **request: Any) -> Exchange:
        return await self.open(method, path, **request).answer()


@pytest_asyncio.fixture
async def edge() -> AsyncIterator[Edge]:
    Diary.begin()
    yield Edge(SampleHandler())
    await postgres.close()


@pytest.fixture
def key(transactional_db: None) -> str:
    """The key of an agent that exists."""
    return make_key()[1]
