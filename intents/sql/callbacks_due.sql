-- The agents that are reached by callback and have something due now.
SELECT agent.id, agent.organization_id, agent.callback_url, agent.callback_secret
FROM agents_agent AS agent
WHERE agent.delivery_mode = 'http'
    AND agent.status = 'active'
    AND agent.killed_at IS NULL
    AND EXISTS (
        SELECT FROM intents_delivery AS delivery WHERE delivery.agent_id = agent.id AND {due}
    )
