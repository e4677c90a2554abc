-- How these intents ended, those of them that have.
SELECT event.intent_id, event.seq, event.type, event.status, event.actor, event.at, event.details::text AS details
FROM intents_event AS event
WHERE event.intent_id = ANY(%(ids)s::uuid[])
    AND event.type IN ('intent.completed', 'intent.failed', 'intent.canceled', 'intent.timed_out')
