-- One intent, if this caller may see it, and why it is not running, if it has not ended.
SELECT {columns}, intent.payload::text AS payload, obstacle.*
FROM intents_intent AS intent
{context}
LEFT JOIN LATERAL (
{obstacles}
) AS obstacle ON intent.status NOT IN ('COMPLETED', 'FAILED', 'CANCELED', 'TIMED_OUT')
WHERE intent.id = %(intent_id)s AND {visible}
