-- Note that the agent has its intents in hand: acknowledged and in progress, once; and renew the lease.
WITH asked AS (
    SELECT *
    FROM unnest(
        %(ids)s::uuid[], %(organizations)s::uuid[], %(agents)s::bigint[],
        %(tokens)s::uuid[], %(sessions)s::uuid[], %(actors)s::text[]
    ) WITH ORDINALITY AS asked (intent_id, organization_id, agent_id, token, session, actor, place)
),
{locked},
unkilled AS (
{unkilled}
),
judged AS (
    SELECT
        asked.*, held.id AS delivery_id, locked.status, locked.seq,
        CASE
            WHEN locked.id IS NULL OR locked.organization_id <> asked.organization_id THEN 'unknown'
            WHEN locked.recipient_id <> asked.agent_id THEN 'forbidden'
            WHEN {killed} THEN 'agent_killed'
            WHEN locked.status IN ('COMPLETED', 'FAILED', 'CANCELED', 'TIMED_OUT') THEN 'already_ended'
            WHEN {fence} THEN 'lease_lost'
            ELSE 'done'
        END AS outcome
    FROM asked
    LEFT JOIN locked ON locked.id = asked.intent_id
    LEFT JOIN held ON held.intent_id = asked.intent_id
),
fresh AS (
    SELECT DISTINCT ON (intent_id) *
    FROM judged
    WHERE outcome = 'done' AND status IN ('SUBMITTED', 'DELIVERED')
    ORDER BY intent_id, place
),
moved AS (
    UPDATE intents_intent AS intent
    SET status = 'IN_PROGRESS', seq = intent.seq + 2, updated_at = statement_timestamp()
    FROM fresh
    WHERE intent.id = fresh.intent_id
    RETURNING intent.id, intent.seq, fresh.actor
),
logged AS (
    INSERT INTO intents_event (intent_id, seq, type, status, actor, details, at)
    SELECT moved.id, moved.seq - step.back, step.type, step.status, moved.actor, '{}'::jsonb, statement_timestamp()
    FROM moved
    CROSS JOIN (
        VALUES (1, 'intent.acknowledged', 'ACKNOWLEDGED'), (0, 'intent.in_progress', 'IN_PROGRESS')
    ) AS step (back, type, status)
),
started AS (
    UPDATE intents_delivery AS delivery
    SET started_at = COALESCE(delivery.started_at, statement_timestamp()),
        lease_expires_at = GREATEST(
            delivery.lease_expires_at, statement_timestamp() + make_interval(secs => delivery.lease_seconds)
        )
    FROM judged
    WHERE delivery.id = judged.delivery_id AND judged.outcome = 'done' AND delivery.lease_token IS NOT NULL
)
SELECT
    judged.place, judged.intent_id, judged.outcome, moved.id IS NOT NULL AS is_fresh,
    COALESCE(moved.seq, judged.seq) AS seq, statement_timestamp() AS at
FROM judged
LEFT JOIN moved ON moved.id = judged.intent_id
ORDER BY judged.place
