-- The policies of these agents, locked, and what is used up of them: whoever comes second judges by what is left.
WITH policy AS (
    SELECT *
    FROM agents_agentpolicy
    WHERE agent_id = ANY(%(agents)s::bigint[])
    ORDER BY agent_id
    FOR UPDATE
),
clock AS (
    SELECT
        date_bin('1 hour', statement_timestamp(), timestamptz 'epoch') AS this_hour,
        date_bin('1 day', statement_timestamp(), timestamptz 'epoch') AS today
)
SELECT
    policy.agent_id, agent.address, statement_timestamp() AS at, clock.this_hour, clock.today, policy.max_intents_per_hour,
    policy.max_intents_per_day, policy.max_cost_per_day_usd, policy.action_on_breach, policy.mode,
    policy.intent_types::text[] AS intent_types, policy.hour, policy.intents_in_hour, policy.day,
    policy.intents_in_day, policy.told::text AS told,
    COALESCE(
        (
            SELECT sum(bucket.cost_usd)
            FROM agents_metricsbucket AS bucket
            WHERE bucket.agent_id = policy.agent_id AND bucket.hour >= clock.today
        ),
        0
    ) AS cost_today
FROM policy
JOIN agents_agent AS agent ON agent.id = policy.agent_id
CROSS JOIN clock
