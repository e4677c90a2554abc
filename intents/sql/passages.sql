-- Runs of an intent's events, each from its first number to its last, and how long after the event before each came.
SELECT
    event.intent_id, event.seq, event.type, event.status, event.actor, event.at, before.at AS after,
    octet_length(event.details::text) AS size,
    CASE WHEN octet_length(event.details::text) <= %(largest)s THEN event.details::text ELSE '{}' END AS details
FROM unnest(%(firsts)s::int[], %(lasts)s::int[]) AS run (first, last)
JOIN intents_event AS event ON event.intent_id = %(intent_id)s AND event.seq BETWEEN run.first AND run.last
LEFT JOIN intents_event AS before ON before.intent_id = event.intent_id AND before.seq = event.seq - 1
ORDER BY event.seq
