-- Take timers whose time has come, with their intents locked; whoever is at one of these now keeps it until later.
-- In the order of all statements (deliveries, intents, then timers) and never waiting, so that the sweep stands in
-- nobody's way. `only`: these and no others.
WITH due AS (
    SELECT timer.id, timer.intent_id
    FROM intents_timer AS timer
    WHERE timer.due_at <= statement_timestamp() AND (%(only)s::bigint[] IS NULL OR timer.id = ANY(%(only)s::bigint[]))
    ORDER BY timer.due_at
    LIMIT %(limit)s
),
held AS (
    SELECT delivery.id, delivery.intent_id
    FROM intents_delivery AS delivery
    WHERE delivery.intent_id IN (SELECT intent_id FROM due)
    ORDER BY delivery.id
    FOR UPDATE SKIP LOCKED
),
locked AS (
    SELECT intent.*
    FROM intents_intent AS intent
    LEFT JOIN held ON held.intent_id = intent.id
    WHERE intent.id IN (SELECT intent_id FROM due)
        -- Either nothing is owed of it, or we have the lock on what is.
        AND (
            held.id IS NOT NULL
            OR NOT EXISTS (SELECT FROM intents_delivery AS delivery WHERE delivery.intent_id = intent.id)
        )
    ORDER BY intent.id
    FOR UPDATE OF intent SKIP LOCKED
),
taken AS (
    DELETE FROM intents_timer AS timer
    USING due
    JOIN locked ON locked.id = due.intent_id
    -- It may have been moved while we looked.
    WHERE timer.id = due.id AND timer.due_at <= statement_timestamp()
    RETURNING timer.intent_id, timer.kind, timer.due_at, timer.data::text AS data
)
SELECT
    taken.*, locked.organization_id, locked.status, locked.parent_id, locked.scenario_id,
    locked.attributes::text AS attributes, locked.created_at, statement_timestamp() AS at
FROM taken
JOIN locked ON locked.id = taken.intent_id
ORDER BY taken.due_at, taken.intent_id, taken.kind
