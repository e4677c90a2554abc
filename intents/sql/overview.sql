-- What a workspace is at just now. Each number is counted along an index, and no further than `most`.
WITH agent AS (
    SELECT id FROM agents_agent WHERE workspace_id = %(workspace_id)s::uuid
),
ready AS (
    SELECT count(*) AS number, min(each.claimable_at) AS oldest
    FROM (
        SELECT delivery.claimable_at
        FROM agent
        CROSS JOIN LATERAL (
            SELECT claimable_at
            FROM intents_delivery
            WHERE agent_id = agent.id AND claimable_at <= statement_timestamp()
            ORDER BY agent_id, claimable_at
            LIMIT %(most)s
        ) AS delivery
        LIMIT %(most)s
    ) AS each
),
later AS (
    SELECT count(*) AS number
    FROM (
        SELECT FROM agent
        JOIN intents_delivery AS delivery ON delivery.agent_id = agent.id
        WHERE delivery.claimable_at > statement_timestamp()
        LIMIT %(most)s
    ) AS each
),
standing AS (
    SELECT asked.status, asked.since, number
    FROM (
        VALUES
            ('WAITING', timestamptz '-infinity'),
            ('FAILED', statement_timestamp() - interval '1 hour')
    ) AS asked (status, since)
    CROSS JOIN LATERAL (
        SELECT count(*) AS number
        FROM (
            SELECT
            FROM intents_standing
            WHERE workspace_id = %(workspace_id)s::uuid AND status = asked.status AND at >= asked.since
            LIMIT %(most)s
        ) AS each
    ) AS counted
),
unowed AS (
    -- Open, and nothing is owed: a scenario on its way through its steps.
    SELECT count(*) AS number
    FROM (
        SELECT
        FROM intents_standing AS standing
        WHERE standing.workspace_id = %(workspace_id)s::uuid
            AND standing.status IN ('CREATED', 'SUBMITTED', 'DELIVERED', 'ACKNOWLEDGED', 'IN_PROGRESS')
            AND NOT EXISTS (SELECT FROM intents_delivery WHERE intent_id = standing.intent_id)
        LIMIT %(most)s
    ) AS each
),
connected AS (
    SELECT count(DISTINCT connection.agent_id) AS agents, count(*) AS connections
    FROM agents_connection AS connection
    JOIN agent ON agent.id = connection.agent_id
)
SELECT
    ready.number AS ready, ready.oldest, later.number AS later, unowed.number AS unowed,
    (SELECT number FROM standing WHERE status = 'WAITING') AS waiting,
    (SELECT number FROM standing WHERE status = 'FAILED') AS failed,
    connected.agents AS agents_connected, connected.connections, (SELECT count(*) FROM agent) AS agents,
    statement_timestamp() AS at
FROM ready
CROSS JOIN later
CROSS JOIN unowed
CROSS JOIN connected
