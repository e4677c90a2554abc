-- Take from killed agents what they hold. The attempt does not count, and the intents stay as they are: what ended it
-- was neither the agent's doing nor theirs. Whoever holds a lease that has run out already lost it by himself.
WITH held AS (
    SELECT delivery.id
    FROM intents_delivery AS delivery
    JOIN agents_agent AS agent ON agent.id = delivery.agent_id
    WHERE delivery.agent_id = ANY(%(agents)s::bigint[])
        AND agent.killed_at IS NOT NULL
        AND delivery.lease_token IS NOT NULL
        AND delivery.claimable_at > statement_timestamp()
    ORDER BY delivery.id
    FOR UPDATE OF delivery
)
UPDATE intents_delivery AS delivery
SET attempt = delivery.attempt - 1,
    returns = delivery.returns + 1,
    lease_token = NULL,
    lease_expires_at = NULL,
    lease_session = NULL,
    lease_seconds = NULL,
    is_detached = false,
    started_at = NULL
FROM held
WHERE delivery.id = held.id
RETURNING delivery.intent_id, delivery.agent_id
