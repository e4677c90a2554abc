-- Included by others as {locked}, for the rows of `asked`: the deliveries (`held`) and intents (`locked`) that they name.
-- Deliveries are locked before intents, each in the order of their ids; so do all statements, and two of them wait for
-- each other one way only.
held AS (
    SELECT delivery.*
    FROM intents_delivery AS delivery
    WHERE delivery.intent_id IN (SELECT intent_id FROM asked)
    ORDER BY delivery.id
    FOR UPDATE
),
locked AS (
    SELECT
        intent.id, intent.status, intent.seq, intent.attempt, intent.organization_id, intent.recipient_id,
        intent.max_delivery_attempts, intent.parent_id, intent.scenario_id, intent.has_timers,
        intent.checkpoint_count, intent.checkpoint_bytes
    FROM intents_intent AS intent
    LEFT JOIN held ON held.intent_id = intent.id
    WHERE intent.id IN (SELECT intent_id FROM asked)
    ORDER BY intent.id
    FOR UPDATE OF intent
)
