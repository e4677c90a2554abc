-- Renew leases for as long again as they were given. An expired one that nobody took yet is renewed too, but not one
-- whose connection is closed, nor one that another agent holds. An agent's intents are its organization's.
WITH asked AS (
    SELECT *
    FROM unnest(%(ids)s::uuid[], %(organizations)s::uuid[], %(agents)s::bigint[], %(tokens)s::uuid[])
        WITH ORDINALITY AS asked (intent_id, organization_id, agent_id, token, place)
),
held AS (
    SELECT delivery.id, delivery.intent_id, delivery.agent_id, agent.organization_id
    FROM intents_delivery AS delivery
    JOIN asked ON asked.intent_id = delivery.intent_id AND asked.token = delivery.lease_token
    JOIN agents_agent AS agent ON agent.id = delivery.agent_id AND agent.organization_id = asked.organization_id
    WHERE delivery.lease_seconds IS NOT NULL AND (asked.agent_id IS NULL OR asked.agent_id = delivery.agent_id)
    ORDER BY delivery.id
    FOR UPDATE OF delivery
),
unkilled AS (
    -- As in unkilled.sql.
    SELECT agent.id
    FROM agents_agent AS agent
    WHERE agent.id IN (SELECT held.agent_id FROM held) AND agent.killed_at IS NULL
    FOR KEY SHARE
),
renewed AS (
    UPDATE intents_delivery AS delivery
    SET lease_expires_at = statement_timestamp() + make_interval(secs => delivery.lease_seconds)
    FROM held
    WHERE delivery.id = held.id AND held.agent_id IN (SELECT unkilled.id FROM unkilled)
    RETURNING
        delivery.intent_id, delivery.agent_id, delivery.lease_token, delivery.lease_expires_at, held.organization_id
)
SELECT
    asked.place, asked.intent_id, renewed.lease_expires_at,
    CASE
        WHEN renewed.intent_id IS NOT NULL THEN 'done'
        WHEN EXISTS (
            SELECT
            FROM agents_agent AS agent
            WHERE agent.id = asked.agent_id
                AND agent.organization_id = asked.organization_id
                AND agent.killed_at IS NOT NULL
        ) THEN 'agent_killed'
        ELSE 'lease_lost'
    END AS outcome
FROM asked
LEFT JOIN renewed
    ON renewed.intent_id = asked.intent_id
    AND renewed.organization_id = asked.organization_id
    AND renewed.lease_token = asked.token
    AND (asked.agent_id IS NULL OR asked.agent_id = renewed.agent_id)
ORDER BY asked.place
