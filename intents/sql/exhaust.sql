-- The dead letters: intents whose last attempt is over without an outcome.
WITH spent AS (
    SELECT delivery.*
    FROM intents_delivery AS delivery
    WHERE delivery.claimable_at <= statement_timestamp() AND delivery.attempt >= delivery.max_attempts
        -- What is owed to a killed agent stays as it is.
        AND NOT EXISTS (
            SELECT FROM agents_agent AS agent WHERE agent.id = delivery.agent_id AND agent.killed_at IS NOT NULL
        )
    ORDER BY delivery.claimable_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
),
ended AS (
    UPDATE intents_intent AS intent
    SET status = 'FAILED', waiting_reason = NULL, seq = intent.seq + 2, updated_at = statement_timestamp()
    FROM spent
    WHERE intent.id = spent.intent_id
    RETURNING intent.id, intent.seq, intent.parent_id, intent.scenario_id, intent.organization_id, spent.attempt
),
logged AS (
    INSERT INTO intents_event (intent_id, seq, type, status, actor, details, at)
    SELECT
        ended.id, ended.seq - 1, 'intent.delivery_failed', 'FAILED', 'system',
        jsonb_build_object('delivery_attempt', ended.attempt::text), statement_timestamp()
    FROM ended
    UNION ALL
    SELECT
        ended.id, ended.seq, 'intent.failed', 'FAILED', 'system',
        jsonb_build_object('error', jsonb_build_object(
            'code', 'delivery_attempts_exhausted',
            'message', 'No attempt ended with a result; ' || ended.attempt || ' of ' || ended.attempt || ' used.',
            'category', 'transport',
            'retryable', true,
            'at', to_char(statement_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        )),
        statement_timestamp()
    FROM ended
),
settled AS (
    DELETE FROM intents_delivery AS delivery USING spent WHERE delivery.id = spent.id
),
stopped AS (
    DELETE FROM intents_timer AS timer USING ended WHERE timer.intent_id = ended.id
)
SELECT
    ended.id AS intent_id, 'done' AS outcome, 'intent.failed' AS type, 'FAILED' AS status, ended.parent_id,
    ended.scenario_id, ended.seq, true AS was_owed
FROM ended
