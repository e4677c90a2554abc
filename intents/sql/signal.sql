-- Note facts that do not move the status of their intents. What has ended is left alone.
WITH asked AS (
    SELECT *
    FROM unnest(%(ids)s::uuid[], %(types)s::text[], %(actors)s::text[], %(details)s::text[])
        WITH ORDINALITY AS asked (intent_id, type, actor, details, place)
),
locked AS (
    SELECT intent.id, intent.status
    FROM intents_intent AS intent
    WHERE intent.id IN (SELECT intent_id FROM asked)
    ORDER BY intent.id
    FOR UPDATE
),
noted AS (
    SELECT
        asked.*, locked.status,
        row_number() OVER (PARTITION BY asked.intent_id ORDER BY asked.place) AS step,
        count(*) OVER (PARTITION BY asked.intent_id) AS steps
    FROM asked
    JOIN locked ON locked.id = asked.intent_id
    WHERE locked.status NOT IN ('COMPLETED', 'FAILED', 'CANCELED', 'TIMED_OUT')
),
moved AS (
    UPDATE intents_intent AS intent
    SET seq = intent.seq + noted.steps, updated_at = statement_timestamp()
    FROM noted
    WHERE intent.id = noted.intent_id AND noted.step = 1
    RETURNING intent.id, intent.seq
)
INSERT INTO intents_event (intent_id, seq, type, status, actor, details, at)
SELECT
    noted.intent_id, moved.seq - noted.steps + noted.step, noted.type, noted.status, noted.actor,
    noted.details::jsonb, statement_timestamp()
FROM noted
JOIN moved ON moved.id = noted.intent_id
RETURNING intent_id, seq
