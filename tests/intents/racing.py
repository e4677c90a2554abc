"""Threads that begin at the same moment, each on a database connection of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from django.db import connection, connections

from intents.lifecycle import TERMINAL, TERMINAL_EVENTS, Status, replay
from intents.models import Delivery, Event, Intent

T = TypeVar("T")


def at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """What each of these answers when all are called in the same moment."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        try:
            connection.ensure_connection()
            barrier.wait(timeout=30)
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


def assert_all_is_consistent() -> None:
    """Every intent in the database is what its history says, and is owed exactly while it has to be."""
    owed = dict(Delivery.objects.values_list("intent_id", "attempt"))
    for intent in Intent.objects.all():
        events = list(Event.objects.filter(intent=intent).order_by("seq").values_list("seq", "type"))
        types = [event for _, event in events]
        assert [seq for seq, _ in events] == list(range(1, intent.seq + 1))
        assert replay(types) == intent.status
        assert sum(event in TERMINAL_EVENTS for event in types) == (intent.status in TERMINAL)
        assert intent.attempt <= intent.max_delivery_attempts
        assert (intent.pk in owed) == (intent.status not in {*TERMINAL, Status.WAITING})
