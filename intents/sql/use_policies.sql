-- Write down what has been used up of these policies, and tell of the limits that are reached.
WITH told AS (
    INSERT INTO agents_meshevent (organization_id, workspace_id, agent_id, type, details, actor, created_at)
    SELECT
        agent.organization_id, agent.workspace_id, agent.id, 'agent.policy_breached', breach.details::jsonb,
        'system', statement_timestamp()
    FROM unnest(%(breached)s::bigint[], %(breaches)s::text[]) AS breach (agent_id, details)
    JOIN agents_agent AS agent ON agent.id = breach.agent_id
)
UPDATE agents_agentpolicy AS policy
SET hour = used.hour,
    intents_in_hour = used.intents_in_hour,
    day = used.day,
    intents_in_day = used.intents_in_day,
    told = used.told::jsonb
FROM unnest(
    %(agents)s::bigint[], %(hours)s::timestamptz[], %(in_hours)s::bigint[], %(days)s::timestamptz[],
    %(in_days)s::bigint[], %(tolds)s::text[]
) AS used (agent_id, hour, intents_in_hour, day, intents_in_day, told)
WHERE policy.agent_id = used.agent_id
