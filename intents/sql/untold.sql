-- Which of these new intents are leased by the statement that recorded them, and nobody has renewed that lease or got
-- another since: a later one would end at another time.
SELECT delivery.intent_id, delivery.agent_id, delivery.lease_token
FROM intents_delivery AS delivery
JOIN intents_intent AS intent ON intent.id = delivery.intent_id
WHERE delivery.intent_id = ANY(%(ids)s::uuid[])
    AND delivery.attempt = 1
    AND delivery.lease_expires_at = intent.created_at + make_interval(secs => delivery.lease_seconds)
