-- Set open intents in progress, whatever they waited for; those that are owed to an agent become due now.
WITH asked AS (
    SELECT *
    FROM unnest(%(ids)s::uuid[], %(organizations)s::uuid[], %(actors)s::text[], %(details)s::text[], %(is_owed)s::boolean[])
        WITH ORDINALITY AS asked (intent_id, organization_id, actor, details, is_owed, place)
),
{locked},
judged AS (
    SELECT
        asked.*, held.id AS delivery_id, locked.attempt, locked.max_delivery_attempts, locked.recipient_id,
        CASE
            WHEN locked.id IS NULL OR locked.organization_id <> asked.organization_id THEN 'unknown'
            WHEN locked.status IN ('COMPLETED', 'FAILED', 'CANCELED', 'TIMED_OUT') THEN 'already_ended'
            ELSE 'done'
        END AS outcome
    FROM asked
    LEFT JOIN locked ON locked.id = asked.intent_id
    LEFT JOIN held ON held.intent_id = asked.intent_id
),
winner AS (
    SELECT DISTINCT ON (intent_id) * FROM judged WHERE outcome = 'done' ORDER BY intent_id, place
),
moved AS (
    UPDATE intents_intent AS intent
    SET status = 'IN_PROGRESS', waiting_reason = NULL, seq = intent.seq + 1, updated_at = statement_timestamp()
    FROM winner
    WHERE intent.id = winner.intent_id
    RETURNING intent.id, intent.seq, winner.place, winner.actor, winner.details
),
logged AS (
    INSERT INTO intents_event (intent_id, seq, type, status, actor, details, at)
    SELECT id, seq, 'intent.in_progress', 'IN_PROGRESS', actor, details::jsonb, statement_timestamp()
    FROM moved
),
owed AS (
    INSERT INTO intents_delivery (intent_id, agent_id, due_at, attempt, max_attempts, returns, is_detached, cursor)
    SELECT
        intent_id, recipient_id, statement_timestamp(),
        -- Somebody wants it to go on, so that there is an attempt left for it.
        LEAST(attempt, max_delivery_attempts - 1), max_delivery_attempts, 0, false, 0
    FROM winner
    WHERE is_owed AND delivery_id IS NULL
    ORDER BY intent_id
    -- Somebody else may have woken it since this statement looked.
    ON CONFLICT (intent_id) DO NOTHING
)
SELECT
    judged.place, judged.intent_id, judged.recipient_id, moved.seq, statement_timestamp() AS at,
    CASE WHEN judged.outcome = 'done' AND moved.place <> judged.place THEN 'already_ended' ELSE judged.outcome END
        AS outcome
FROM judged
LEFT JOIN moved ON moved.id = judged.intent_id
ORDER BY judged.place
