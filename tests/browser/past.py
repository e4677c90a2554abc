"""Moves histories back in time, in the database of a Perdure that is only there to be looked at.

What happened is real; only when it happened is invented. Nobody wants to wait an hour for the picture of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import LiteralString

import psycopg

from tests.servers import Perdure

#: intent, event -> when: so long ago
MOVE_EVENTS: LiteralString = """
    UPDATE intents_event AS event
    SET at = statement_timestamp() - make_interval(secs => moved.ago)
    FROM unnest(%(ids)s::uuid[], %(seqs)s::int[], %(agos)s::float8[]) AS moved (id, seq, ago)
    WHERE event.intent_id = moved.id AND event.seq = moved.seq
"""
MOVE_THE_REST: LiteralString = """
    WITH span AS (
        SELECT intent_id AS id, min(at) AS first, max(at) AS last
        FROM intents_event WHERE intent_id = ANY(%(ids)s::uuid[]) GROUP BY intent_id
    ),
    intents AS (
        UPDATE intents_intent AS intent SET created_at = span.first, updated_at = span.last
        FROM span WHERE intent.id = span.id
    ),
    standings AS (
        UPDATE intents_standing AS standing SET at = span.last FROM span WHERE standing.intent_id = span.id
    ),
    deliveries AS (
        UPDATE intents_delivery AS delivery SET due_at = span.first FROM span WHERE delivery.intent_id = span.id
    )
    UPDATE intents_checkpoint AS checkpoint SET at = event.at
    FROM intents_event AS event
    WHERE event.intent_id = checkpoint.intent_id AND event.details #>> '{checkpoint,step}' = checkpoint.step
        AND event.intent_id = ANY(%(ids)s::uuid[])
"""
#: What has been counted was counted at the wrong time: once more.
FORGET_TALLY: LiteralString = """
    WITH gone AS (DELETE FROM intents_tally)
    UPDATE intents_tallymark SET tallied_to = statement_timestamp() - interval '2 hours'
"""


def retime(perdure: Perdure, when: Mapping[str, Sequence[float]]) -> None:
    """Let the events of intents have happened so many seconds ago, in their order."""
    moved = [(id_, seq, float(ago)) for id_, agos in when.items() for seq, ago in enumerate(agos, 1)]
    ids, seqs, agos = (list(column) for column in zip(*moved, strict=True))
    with psycopg.connect(perdure.environment["DATABASE_URL"]) as connection:
        connection.execute(MOVE_EVENTS, {"ids": ids, "seqs": seqs, "agos": agos})
        connection.execute(MOVE_THE_REST, {"ids": list(when)})
        connection.execute(FORGET_TALLY)


def stretch(events: int, ago: float, took: float) -> list[float]:
    """When events happened that began so long ago and took so long together."""
    return [ago - took * number / max(events - 1, 1) for number in range(events)]
