-- Let open intents wait: nothing is owed of them until they wake.
WITH asked AS (
    SELECT *
    FROM unnest(%(ids)s::uuid[], %(reasons)s::text[], %(actors)s::text[], %(details)s::text[])
        WITH ORDINALITY AS asked (intent_id, reason, actor, details, place)
),
{locked},
winner AS (
    SELECT DISTINCT ON (asked.intent_id) asked.*
    FROM asked
    JOIN locked ON locked.id = asked.intent_id
    WHERE locked.status NOT IN ('COMPLETED', 'FAILED', 'CANCELED', 'TIMED_OUT')
    ORDER BY asked.intent_id, asked.place
),
moved AS (
    UPDATE intents_intent AS intent
    SET status = 'WAITING', waiting_reason = winner.reason, seq = intent.seq + 1, updated_at = statement_timestamp()
    FROM winner
    WHERE intent.id = winner.intent_id
    RETURNING intent.id, intent.seq, winner.place, winner.reason, winner.actor, winner.details
),
logged AS (
    INSERT INTO intents_event (intent_id, seq, type, status, actor, details, at)
    SELECT
        id, seq, 'intent.waiting', 'WAITING', actor,
        jsonb_build_object('waiting_reason', reason) || details::jsonb, statement_timestamp()
    FROM moved
),
settled AS (
    DELETE FROM intents_delivery AS delivery USING held JOIN winner ON winner.intent_id = held.intent_id
    WHERE delivery.id = held.id
)
SELECT
    asked.place, asked.intent_id, moved.seq, held.id IS NOT NULL AS was_owed,
    CASE
        WHEN locked.id IS NULL THEN 'unknown'
        WHEN moved.id IS NULL OR moved.place <> asked.place THEN 'already_ended'
        ELSE 'done'
    END AS outcome,
    statement_timestamp() AS at
FROM asked
LEFT JOIN held ON held.intent_id = asked.intent_id
LEFT JOIN locked ON locked.id = asked.intent_id
LEFT JOIN moved ON moved.id = asked.intent_id
ORDER BY asked.place
