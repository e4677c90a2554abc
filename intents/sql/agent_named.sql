-- The agent of a workspace that somebody named by its address, its account's id, or its name.
SELECT agent.id
FROM agents_agent AS agent
WHERE agent.workspace_id = %(workspace_id)s::uuid
    AND (agent.address = %(named)s OR agent.service_account_id = %(named)s OR agent.name = %(named)s)
ORDER BY agent.address = %(named)s DESC, agent.id
LIMIT 1
