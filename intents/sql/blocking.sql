-- Why these intents are not running.
SELECT
    intent.id AS intent_id, intent.status, intent.waiting_reason, intent.to_agent, workflow.current_step,
    workflow.child_id, obstacle.*
FROM intents_intent AS intent
LEFT JOIN intents_workflow AS workflow ON workflow.intent_id = intent.id
LEFT JOIN LATERAL (
{obstacles}
) AS obstacle ON true
WHERE intent.id = ANY(%(ids)s::uuid[]) AND intent.status NOT IN ('COMPLETED', 'FAILED', 'CANCELED', 'TIMED_OUT')
