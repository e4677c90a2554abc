-- Included by others as {page}: of what was `scanned`, those that fit, with their payload where it is short.
-- The scan ends as soon as there are enough.
fitting AS (
    SELECT scanned.id
    FROM scanned
    WHERE (%(statuses)s::text[] IS NULL OR scanned.status = ANY(%(statuses)s::text[]))
        AND (%(intent_type)s::text IS NULL OR scanned.intent_type = %(intent_type)s::text)
        AND (%(correlation_id)s::uuid IS NULL OR scanned.correlation_id = %(correlation_id)s::uuid)
    ORDER BY scanned.shelf DESC, scanned.id DESC
    LIMIT %(limit)s
)
SELECT
    {columns},
    CASE WHEN pg_column_size(intent.payload) <= %(largest_payload)s THEN intent.payload::text END AS payload
FROM fitting
JOIN intents_intent AS intent ON intent.id = fitting.id
{context}
ORDER BY intent.id DESC
