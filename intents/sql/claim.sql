-- Lease due deliveries to waiting connections, to each as many as it has room for, oldest first.
-- A slot is one connection's share of its agent's deliveries: the first-th to the last-th of them.
-- SKIP LOCKED: dispatchers never wait for each other.
WITH slot AS (
    SELECT *
    FROM unnest(
        %(agents)s::bigint[], %(firsts)s::int[], %(lasts)s::int[],
        %(sessions)s::uuid[], %(seconds)s::int[], %(detached)s::boolean[]
    ) AS slot (agent_id, first, last, session, seconds, is_detached)
),
waiting AS (
    SELECT slot.agent_id, max(slot.last) AS room
    FROM slot
    JOIN agents_agent AS agent ON agent.id = slot.agent_id
    WHERE agent.killed_at IS NULL
    GROUP BY slot.agent_id
),
due AS (
    SELECT
        claimable.id, claimable.agent_id,
        row_number() OVER (PARTITION BY claimable.agent_id ORDER BY claimable.claimable_at, claimable.id) AS place
    FROM waiting
    CROSS JOIN LATERAL (
        SELECT delivery.id, delivery.agent_id, delivery.claimable_at
        FROM intents_delivery AS delivery
        WHERE delivery.agent_id = waiting.agent_id AND {due}
        ORDER BY delivery.claimable_at, delivery.id
        LIMIT waiting.room
        FOR UPDATE SKIP LOCKED
    ) AS claimable
),
unkilled AS (
    -- Once more, and locked, which has its price and so is for those that get something: a kill waits for what is handed
    -- over without its knowledge, and what has not got the lock by then is shown the agent as it is then.
    SELECT agent.id
    FROM agents_agent AS agent
    WHERE agent.id IN (SELECT due.agent_id FROM due) AND agent.killed_at IS NULL
    FOR KEY SHARE
),
numbered AS (
    -- Apart from the update, which would take its rows, and so the numbers, in an order of the planner's choice.
    SELECT shared.*, nextval('intents_delivery_cursor') AS cursor
    FROM (
        SELECT due.id, slot.session, slot.seconds, slot.is_detached
        FROM due
        JOIN unkilled ON unkilled.id = due.agent_id
        JOIN slot ON slot.agent_id = due.agent_id AND due.place BETWEEN slot.first AND slot.last
        ORDER BY due.agent_id, due.place
    ) AS shared
),
leased AS (
    UPDATE intents_delivery AS delivery
    SET attempt = delivery.attempt + 1,
        lease_token = gen_random_uuid(),
        lease_expires_at = statement_timestamp() + make_interval(secs => numbered.seconds),
        lease_session = numbered.session,
        lease_seconds = numbered.seconds,
        is_detached = numbered.is_detached,
        started_at = NULL,
        cursor = numbered.cursor
    FROM numbered
    WHERE delivery.id = numbered.id
    RETURNING delivery.*
),
moved AS (
    UPDATE intents_intent AS intent
    SET status = CASE WHEN intent.status = 'SUBMITTED' THEN 'DELIVERED' ELSE 'IN_PROGRESS' END,
        waiting_reason = NULL,
        seq = intent.seq + 1,
        attempt = leased.attempt,
        updated_at = statement_timestamp()
    FROM leased
    WHERE intent.id = leased.intent_id
    RETURNING
        leased.intent_id, leased.agent_id, leased.attempt, leased.max_attempts, leased.lease_token,
        leased.lease_session, leased.cursor, leased.returns,
        intent.seq, intent.status, intent.organization_id, intent.workspace_id, intent.intent_type,
        intent.from_agent, intent.to_agent, intent.correlation_id, intent.parent_id, intent.created_at,
        intent.payload::text AS payload, intent.checkpoint_count, intent.attributes ->> 'traceparent' AS traceparent
),
logged AS (
    INSERT INTO intents_event (intent_id, seq, type, status, actor, details, at)
    SELECT
        intent_id, seq, 'intent.' || lower(status), status, 'system',
        CASE
            WHEN attempt = 1 AND returns = 0 THEN jsonb_build_object('delivery_attempt', attempt)
            ELSE jsonb_build_object('delivery_attempt', attempt, 'redelivery', true)
        END,
        statement_timestamp()
    FROM moved
)
SELECT moved.*, statement_timestamp() AS at FROM moved ORDER BY cursor
