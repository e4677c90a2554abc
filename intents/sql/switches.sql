-- Kills and resumptions: whom they concern, and whether that agent is killed now.
SELECT event.id AS event_id, event.agent_id, agent.killed_at IS NOT NULL AS is_killed
FROM agents_meshevent AS event
JOIN agents_agent AS agent ON agent.id = event.agent_id
WHERE event.id = ANY(%(events)s::bigint[])
ORDER BY event.id
