-- The once-a-second look of a web process, and its sign of life: for which of its waiting agents is something due or
-- spent, which of the keys in use are good no longer, which kills and resumptions are news to it, and does any other
-- process serve connections?
WITH alive AS (
    UPDATE agents_webprocess SET seen_at = statement_timestamp() WHERE id = %(process)s RETURNING id
)
SELECT
    ARRAY(
        SELECT waiting.agent_id
        FROM unnest(%(agents)s::bigint[]) AS waiting (agent_id)
        JOIN agents_agent AS agent ON agent.id = waiting.agent_id
        WHERE agent.killed_at IS NULL AND EXISTS (
            SELECT FROM intents_delivery AS delivery WHERE delivery.agent_id = waiting.agent_id AND {due}
        )
    ) AS due,
    EXISTS (
        SELECT FROM intents_delivery AS delivery
        WHERE delivery.claimable_at <= statement_timestamp() AND delivery.attempt >= delivery.max_attempts
            AND NOT EXISTS (
                SELECT FROM agents_agent AS agent WHERE agent.id = delivery.agent_id AND agent.killed_at IS NOT NULL
            )
    ) AS is_spent,
    ARRAY(
        SELECT used.key_id
        FROM unnest(%(keys)s::text[]) AS used (key_id)
        LEFT JOIN agents_apikey AS key ON key.id = used.key_id
        LEFT JOIN agents_agent AS agent ON agent.id = key.agent_id
        WHERE key.id IS NULL OR key.revoked_at IS NOT NULL OR key.expires_at <= statement_timestamp()
            OR agent.status <> 'active'
    ) AS revoked,
    ARRAY(
        SELECT event.id
        FROM agents_meshevent AS event
        WHERE event.type IN ('agent.killed', 'agent.resumed')
            AND event.created_at > statement_timestamp() - interval '1 minute'
            AND NOT EXISTS (
                SELECT FROM agents_confirmation AS confirmation
                WHERE confirmation.event_id = event.id AND confirmation.process = %(process)s
            )
        ORDER BY event.id
    ) AS switches,
    EXISTS (SELECT FROM alive) AS is_known,
    EXISTS (
        SELECT FROM agents_webprocess
        WHERE id <> %(process)s AND seen_at > statement_timestamp() - interval '5 seconds'
    ) AS has_company
