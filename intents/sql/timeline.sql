-- The events of these intents, of each those after the last one seen: the first so many of them, or all.
SELECT event.intent_id, event.seq, event.type, event.status, event.actor, event.at, event.details::text AS details
FROM unnest(%(ids)s::uuid[], %(after)s::bigint[]) AS watched (intent_id, after)
CROSS JOIN LATERAL (
    SELECT *
    FROM intents_event
    WHERE intent_id = watched.intent_id AND seq > watched.after
    ORDER BY seq
    LIMIT %(most)s::int
) AS event
ORDER BY event.intent_id, event.seq
