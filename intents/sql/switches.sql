-- Kills and resumptions: whom they concern, whether that agent is killed now, and whether those who wrote meanwhile have
-- been waited for.
SELECT event.id AS event_id, event.agent_id, agent.killed_at IS NOT NULL AS is_killed,
    agent.killed_at IS NULL OR agent.updated_at > agent.killed_at AS is_settled
FROM agents_meshevent AS event
JOIN agents_agent AS agent ON agent.id = event.agent_id
WHERE event.id = ANY(%(events)s::bigint[])
ORDER BY event.id
