-- Record new intents with their first two events, and owe each to its agent. Those that a connection waits for (they
-- come with its session) are leased to it at once, as `claim` would a moment later.
-- A repeated idempotency key, and a deadline that has passed, record nothing. What is refused here, and has a key, may
-- have been recorded in its time: `repetition` looks.
WITH sent AS (
    SELECT
        sent.*,
        -- A time to live counts from now, by this clock.
        COALESCE(sent.deadline_at, statement_timestamp() + make_interval(secs => sent.ttl_seconds)) AS ends_at
    FROM unnest(
        %(ids)s::uuid[], %(organizations)s::uuid[], %(workspaces)s::uuid[], %(recipients)s::bigint[],
        %(senders)s::bigint[], %(types)s::text[], %(correlations)s::uuid[], %(to_agents)s::text[],
        %(from_agents)s::text[], %(reply_tos)s::text[], %(payloads)s::text[], %(attributes)s::text[],
        %(parents)s::uuid[], %(scenarios)s::text[], %(steps)s::text[], %(retries)s::uuid[],
        %(deadlines)s::timestamptz[], %(ttls)s::int[], %(maxima)s::int[], %(actors)s::text[],
        %(is_owed)s::boolean[], %(delays)s::double precision[], %(reminders)s::int[],
        %(keys)s::text[], %(paths)s::text[], %(hashes)s::bytea[], %(responses)s::text[],
        %(sessions)s::uuid[], %(lease_seconds)s::int[], %(detached)s::boolean[]
    ) AS sent (
        id, organization_id, workspace_id, recipient_id,
        sender_id, intent_type, correlation_id, to_agent,
        from_agent, reply_to, payload, attributes,
        parent_id, scenario_id, step_id, retry_of_id,
        deadline_at, ttl_seconds, max_delivery_attempts, actor,
        is_owed, delay_seconds, remind_after_seconds,
        key, path, request_hash, response,
        session, lease_seconds, is_detached
    )
),
unkilled AS (
    -- Locked: a kill waits for what is recorded without its knowledge, and what has not got the lock by then is shown
    -- the agent as it is then.
    SELECT agent.id, agent.is_policed
    FROM agents_agent AS agent
    WHERE agent.id IN (SELECT recipient_id FROM sent UNION SELECT sender_id FROM sent) AND agent.killed_at IS NULL
    FOR KEY SHARE
),
judged AS (
    SELECT
        sent.*,
        CASE
            -- A scenario that runs goes on: what it owes to a killed agent waits like all that is owed to it.
            WHEN parent_id IS NULL AND sender_id NOT IN (SELECT id FROM unkilled) THEN 'sender_killed'
            WHEN parent_id IS NULL AND recipient_id NOT IN (SELECT id FROM unkilled) THEN 'recipient_killed'
            WHEN ends_at <= statement_timestamp() THEN 'deadline_passed'
            -- Another statement judges these; a scenario that runs is not judged.
            WHEN parent_id IS NULL AND NOT %(is_judged)s::boolean
                AND (
                    sender_id IN (SELECT id FROM unkilled WHERE is_policed)
                    OR recipient_id IN (SELECT id FROM unkilled WHERE is_policed)
                )
                THEN 'policed'
            ELSE 'repeated'
        END AS outcome
    FROM sent
),
timely AS (
    SELECT * FROM judged WHERE outcome = 'repeated'
),
named AS (
    -- In the order of their keys, so that two of these statements wait for each other one way only.
    INSERT INTO intents_idempotencyrecord
        (agent_id, method, path, key, request_hash, status, response, intent_id, created_at)
    SELECT sender_id, 'POST', path, key, request_hash, 200, response::jsonb, id, statement_timestamp()
    FROM timely
    WHERE key IS NOT NULL
    ORDER BY sender_id, path, key
    ON CONFLICT DO NOTHING
    RETURNING intent_id
),
accepted AS (
    SELECT
        timely.*,
        CASE WHEN leased.is_leased THEN nextval('intents_delivery_cursor') ELSE 0 END AS cursor,
        CASE WHEN leased.is_leased THEN gen_random_uuid() END AS token,
        leased.is_leased
    FROM timely
    CROSS JOIN LATERAL (
        SELECT
            timely.session IS NOT NULL AND timely.is_owed AND timely.delay_seconds = 0
            AND timely.recipient_id IN (SELECT unkilled.id FROM unkilled) AS is_leased
    ) AS leased
    WHERE timely.key IS NULL OR timely.id IN (SELECT named.intent_id FROM named)
),
created AS (
    INSERT INTO intents_intent (
        id, organization_id, workspace_id, recipient_id, sender_id, intent_type, correlation_id, to_agent,
        from_agent, reply_to, payload, attributes, parent_id, scenario_id, step_id, retry_of_id,
        deadline_at, max_delivery_attempts, created_at, status, seq, attempt, updated_at, policy_generation,
        has_timers
    )
    SELECT
        id, organization_id, workspace_id, recipient_id, sender_id, intent_type, correlation_id, to_agent,
        from_agent, reply_to, payload::jsonb, attributes::jsonb, parent_id, scenario_id, step_id, retry_of_id,
        ends_at, max_delivery_attempts, statement_timestamp(),
        CASE WHEN is_leased THEN 'DELIVERED' ELSE 'SUBMITTED' END, CASE WHEN is_leased THEN 3 ELSE 2 END,
        CASE WHEN is_leased THEN 1 ELSE 0 END, statement_timestamp(), 0,
        ends_at IS NOT NULL OR remind_after_seconds IS NOT NULL OR scenario_id IS NOT NULL
    FROM accepted
),
logged AS (
    INSERT INTO intents_event (intent_id, seq, type, status, actor, details, at)
    SELECT id, first.seq, first.type, first.status, actor, '{}'::jsonb, statement_timestamp()
    FROM accepted
    CROSS JOIN (
        VALUES (1, 'intent.created', 'CREATED'), (2, 'intent.submitted', 'SUBMITTED')
    ) AS first (seq, type, status)
    UNION ALL
    SELECT
        id, 3, 'intent.delivered', 'DELIVERED', 'system', jsonb_build_object('delivery_attempt', 1),
        statement_timestamp()
    FROM accepted
    WHERE is_leased
),
owed AS (
    INSERT INTO intents_delivery (
        intent_id, agent_id, due_at, attempt, max_attempts, returns, is_detached, cursor,
        lease_token, lease_session, lease_seconds, lease_expires_at
    )
    SELECT
        id, recipient_id, statement_timestamp() + make_interval(secs => delay_seconds),
        CASE WHEN is_leased THEN 1 ELSE 0 END, max_delivery_attempts, 0, is_leased AND is_detached, cursor,
        token, CASE WHEN is_leased THEN session END, CASE WHEN is_leased THEN lease_seconds END,
        CASE WHEN is_leased THEN statement_timestamp() + make_interval(secs => lease_seconds) END
    FROM accepted
    WHERE is_owed
    ORDER BY id
),
timed AS (
    INSERT INTO intents_timer (intent_id, kind, due_at, data)
    SELECT id, 'deadline', ends_at, '{}'::jsonb
    FROM accepted
    WHERE ends_at IS NOT NULL
    UNION ALL
    SELECT id, 'reminder', statement_timestamp() + make_interval(secs => remind_after_seconds), '{}'::jsonb
    FROM accepted
    WHERE remind_after_seconds IS NOT NULL
)
SELECT
    judged.id AS intent_id,
    CASE
        WHEN accepted.id IS NOT NULL THEN 'done'
        ELSE judged.outcome
    END AS outcome,
    accepted.token AS lease_token, accepted.cursor,
    statement_timestamp() AS created_at
FROM judged
LEFT JOIN accepted USING (id)
