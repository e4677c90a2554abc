-- The agents for which something became due in the last seconds. Hops from agent to agent along the claim's index,
-- so that its cost grows with the agents that are owed something, not with what they are owed.
WITH RECURSIVE hop AS (
    (SELECT agent_id FROM intents_delivery ORDER BY agent_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT delivery.agent_id FROM intents_delivery AS delivery
        WHERE delivery.agent_id > hop.agent_id ORDER BY delivery.agent_id LIMIT 1
    )
    FROM hop
    WHERE hop.agent_id IS NOT NULL
)
SELECT hop.agent_id
FROM hop
WHERE hop.agent_id IS NOT NULL
    AND EXISTS (
        SELECT FROM intents_delivery AS delivery
        WHERE delivery.agent_id = hop.agent_id
            AND delivery.claimable_at
                BETWEEN statement_timestamp() - make_interval(secs => %(seconds)s) AND statement_timestamp()
            AND delivery.attempt < delivery.max_attempts
    )
