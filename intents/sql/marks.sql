-- The events that an intent's chapters are told by: handings over, givings back, waits and ends.
SELECT
    event.seq, event.type, event.at, event.details ->> 'delivery_attempt' AS attempt,
    event.details ? 'released' AS is_released, event.details ? 'returned' AS is_returned,
    event.details ? 'redelivered_by' AS is_taken
FROM intents_event AS event
WHERE event.intent_id = %(intent_id)s
    AND (
        event.details ? 'delivery_attempt'
        OR event.type IN (
            'intent.waiting', 'intent.delivery_failed', 'intent.completed', 'intent.failed', 'intent.canceled',
            'intent.timed_out'
        )
    )
ORDER BY event.seq
