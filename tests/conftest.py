"""Fixtures for all tests. What starts whole servers is in `tests.servers`."""

from collections.abc import Iterator

import pytest
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker

from agents import postgres, rate_limit
from intents import finding
from tests.live import complaints
from tests.servers import Perdure


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Let tests that commit empty all tables afterwards, the audit log too. One test sees that it else refuses."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE agents_auditentry DISABLE TRIGGER audit_entries_are_never_emptied")


@pytest.fixture(scope="session", autouse=True)
def patience() -> Iterator[None]:
    """Let tests in this process wait for connections and answers as long as a busy machine needs.

    A server would not; tests of that set what they need.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(postgres, "PATIENCE_SECONDS", 20.0)
        patched.setattr(rate_limit, "PATIENCE_SECONDS", 20.0)
        patched.setattr(finding, "PATIENCE_SECONDS", 20.0)
        yield


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
