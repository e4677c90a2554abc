-- What failed last and has not been submitted again.
SELECT
    standing.intent_id, standing.code, standing.at, intent.intent_type, intent.to_agent, intent.status, intent.attempt,
    intent.max_delivery_attempts
FROM (
    SELECT *
    FROM intents_standing
    WHERE workspace_id = %(workspace_id)s::uuid AND status = 'FAILED'
    ORDER BY workspace_id DESC, status DESC, at DESC
    LIMIT %(limit)s * 20
) AS standing
JOIN intents_intent AS intent ON intent.id = standing.intent_id
WHERE NOT standing.is_retried
ORDER BY standing.at DESC, standing.intent_id DESC
LIMIT %(limit)s
