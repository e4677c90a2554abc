-- The once-a-second look of a web process, and its sign of life: for which of its waiting agents is something due or
-- spent, which of the keys in use are good no longer, and does any other process serve connections?
WITH alive AS (
    UPDATE agents_webprocess SET seen_at = statement_timestamp() WHERE id = %(process)s RETURNING id
)
SELECT
    ARRAY(
        SELECT waiting.agent_id
        FROM unnest(%(agents)s::bigint[]) AS waiting (agent_id)
        WHERE EXISTS (
            SELECT FROM intents_delivery AS delivery WHERE delivery.agent_id = waiting.agent_id AND {due}
        )
    ) AS due,
    EXISTS (
        SELECT FROM intents_delivery AS delivery
        WHERE delivery.claimable_at <= statement_timestamp() AND delivery.attempt >= delivery.max_attempts
    ) AS is_spent,
    ARRAY(
        SELECT used.key_id
        FROM unnest(%(keys)s::text[]) AS used (key_id)
        LEFT JOIN agents_apikey AS key ON key.id = used.key_id
        LEFT JOIN agents_agent AS agent ON agent.id = key.agent_id
        WHERE key.id IS NULL OR key.revoked_at IS NOT NULL OR key.expires_at <= statement_timestamp()
            OR agent.status <> 'active'
    ) AS revoked,
    EXISTS (SELECT FROM alive) AS is_known,
    EXISTS (
        SELECT FROM agents_webprocess
        WHERE id <> %(process)s AND seen_at > statement_timestamp() - interval '5 seconds'
    ) AS has_company
