-- The next intents after this id with their histories, each as it stands in one snapshot, so that intents which move
-- meanwhile are not taken for wrong.
SELECT
    intent.id, intent.status, intent.seq, intent.attempt, intent.max_delivery_attempts,
    past.types, past.seqs, past.last_status,
    EXISTS (SELECT FROM intents_delivery AS delivery WHERE delivery.intent_id = intent.id) AS is_owed
FROM (
    SELECT id, status, seq, attempt, max_delivery_attempts
    FROM intents_intent
    WHERE id > %(after)s
    ORDER BY id
    LIMIT %(limit)s
) AS intent
CROSS JOIN LATERAL (
    SELECT
        COALESCE(array_agg(event.type ORDER BY event.seq), '{}') AS types,
        COALESCE(array_agg(event.seq ORDER BY event.seq), '{}') AS seqs,
        (array_agg(event.status ORDER BY event.seq DESC))[1] AS last_status
    FROM intents_event AS event
    WHERE event.intent_id = intent.id
) AS past
ORDER BY intent.id
