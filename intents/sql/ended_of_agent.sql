-- The newest intents of an agent that have one of these statuses.
SELECT
    intent.id AS intent_id, intent.status, intent.updated_at AS at, intent.intent_type, intent.from_agent,
    intent.to_agent, intent.correlation_id, intent.attempt AS delivery_attempt,
    intent.max_delivery_attempts
FROM intents_intent AS intent
WHERE intent.recipient_id = %(agent_id)s AND intent.status = ANY(%(statuses)s::text[])
ORDER BY intent.id DESC
LIMIT 100
