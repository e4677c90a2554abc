-- Included by others as {obstacles}, for a row of `intent`: all that decides whether its agent gets it now.
-- {due} is what the claim itself asks, so that the two cannot disagree.
SELECT
    delivery.attempt AS delivery_attempt, delivery.max_attempts, delivery.claimable_at, delivery.lease_token,
    delivery.lease_session, delivery.lease_expires_at, delivery.is_detached, delivery.started_at,
    COALESCE({due}, false) AND agent.killed_at IS NULL AS is_claimable,
    delivery.claimable_at > statement_timestamp() AS is_later,
    handed.at AS held_since, holder.client AS held_by,
    agent.address AS agent_address, agent.status AS agent_status, agent.last_seen_at, agent.delivery_mode,
    agent.killed_at, agent.killed_by, agent.kill_reason,
    listening.connections, listening.room, busy.leased,
    statement_timestamp() AS looked_at
FROM agents_agent AS agent
LEFT JOIN intents_delivery AS delivery ON delivery.intent_id = intent.id
LEFT JOIN LATERAL (
    SELECT event.at
    FROM intents_event AS event
    WHERE event.intent_id = intent.id
        AND event.type IN ('intent.delivered', 'intent.in_progress')
        AND event.details ->> 'delivery_attempt' = delivery.attempt::text
        AND event.details ->> 'released' IS NULL
        AND event.details ->> 'returned' IS NULL
    ORDER BY event.seq DESC
    LIMIT 1
) AS handed ON delivery.lease_token IS NOT NULL
LEFT JOIN LATERAL (
    SELECT connection.client
    FROM agents_connection AS connection
    WHERE connection.session = delivery.lease_session
    ORDER BY connection.connected_at DESC
    LIMIT 1
) AS holder ON delivery.lease_token IS NOT NULL
LEFT JOIN LATERAL (
    SELECT count(*) AS connections, COALESCE(sum(connection.room), 0) AS room
    FROM agents_connection AS connection
    WHERE connection.agent_id = agent.id
) AS listening ON true
LEFT JOIN LATERAL (
    -- No more than one needs to know that the limit is reached.
    SELECT count(*) AS leased
    FROM (
        SELECT
        FROM intents_delivery AS other
        WHERE other.agent_id = agent.id
            AND other.claimable_at > statement_timestamp()
            AND other.lease_token IS NOT NULL
        LIMIT 1000
    ) AS held
) AS busy ON true
WHERE agent.id = intent.recipient_id
