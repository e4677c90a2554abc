-- The once-a-second look of a web process: for which of its waiting agents is something due or spent?
SELECT
    waiting.agent_id,
    EXISTS (
        SELECT FROM intents_delivery AS delivery WHERE delivery.agent_id = waiting.agent_id AND {due}
    ) AS is_due,
    EXISTS (
        SELECT FROM intents_delivery AS delivery
        WHERE delivery.claimable_at <= statement_timestamp() AND delivery.attempt >= delivery.max_attempts
            AND delivery.agent_id = waiting.agent_id
    ) AS is_spent
FROM unnest(%(agents)s::bigint[]) AS waiting (agent_id)
