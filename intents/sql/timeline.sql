-- The events of these intents, of each those after the last one seen.
SELECT event.intent_id, event.seq, event.type, event.status, event.actor, event.at, event.details::text AS details
FROM unnest(%(ids)s::uuid[], %(after)s::int[]) AS watched (intent_id, after)
JOIN intents_event AS event ON event.intent_id = watched.intent_id AND event.seq > watched.after
ORDER BY event.intent_id, event.seq
