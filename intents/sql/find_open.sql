-- The candidates that are open: what is owed to the workspace's agents, and what stands somewhere with nothing owed.
-- `least_attempt`: what has been handed over at least so often.
listed AS MATERIALIZED (
    SELECT every.id
    FROM (
        SELECT delivery.intent_id AS id
        FROM agents_agent AS agent
        JOIN intents_delivery AS delivery ON delivery.agent_id = agent.id
        WHERE agent.workspace_id = %(workspace_id)s::uuid
            AND (%(recipient_id)s::bigint IS NULL OR agent.id = %(recipient_id)s::bigint)
            AND delivery.intent_id > %(low)s::uuid AND delivery.intent_id < %(high)s::uuid
            AND delivery.attempt >= %(least_attempt)s
        UNION ALL
        SELECT standing.intent_id
        FROM intents_standing AS standing
        WHERE standing.workspace_id = %(workspace_id)s::uuid AND standing.status = ANY(%(standing)s::text[])
            AND (%(recipient_id)s::bigint IS NULL OR standing.recipient_id = %(recipient_id)s::bigint)
            AND standing.intent_id > %(low)s::uuid AND standing.intent_id < %(high)s::uuid
            AND NOT EXISTS (
                SELECT FROM intents_delivery AS delivery
                WHERE delivery.intent_id = standing.intent_id AND delivery.attempt >= %(least_attempt)s
            )
    ) AS every
    ORDER BY every.id {order}
    LIMIT %(window)s
),
{listed}
