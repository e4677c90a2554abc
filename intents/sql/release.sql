-- Give deliveries back before their lease has run out.
--   reason 'closed':   the connection died. An attempt that had not started is handed back, three times at most.
--   reason 'released': the agent gives it up of itself, for a while if it says so; the attempt counts.
-- The token of a closed connection stays good until somebody else claims: a result that comes late is not lost. But its
-- lease cannot be renewed, and not be closed again: an attempt given back twice would be one too many.
WITH asked AS (
    SELECT *
    FROM unnest(
        %(ids)s::uuid[], %(organizations)s::uuid[], %(agents)s::bigint[], %(tokens)s::uuid[],
        %(sessions)s::uuid[], %(reasons)s::text[], %(delays)s::double precision[], %(actors)s::text[],
        %(details)s::text[]
    ) WITH ORDINALITY AS asked (
        intent_id, organization_id, agent_id, token, session, reason, delay_seconds, actor, details, place
    )
),
{locked},
unkilled AS (
{unkilled}
),
judged AS (
    SELECT
        asked.*, held.id AS delivery_id, held.attempt, locked.status, locked.recipient_id,
        asked.reason = 'closed' AND held.started_at IS NULL AND held.returns < 3 AND held.attempt > 0 AS is_returned,
        CASE
            WHEN locked.id IS NULL OR locked.organization_id <> asked.organization_id THEN 'unknown'
            WHEN locked.recipient_id <> asked.agent_id THEN 'forbidden'
            WHEN {killed} THEN 'agent_killed'
            WHEN locked.status IN ('COMPLETED', 'FAILED', 'CANCELED', 'TIMED_OUT') THEN 'already_ended'
            WHEN held.id IS NULL OR {fence} THEN 'lease_lost'
            WHEN asked.reason = 'closed' AND (held.lease_token IS NULL OR held.lease_seconds IS NULL) THEN 'lease_lost'
            ELSE 'done'
        END AS outcome
    FROM asked
    LEFT JOIN locked ON locked.id = asked.intent_id
    LEFT JOIN held ON held.intent_id = asked.intent_id
),
winner AS (
    SELECT DISTINCT ON (intent_id) * FROM judged WHERE outcome = 'done' ORDER BY intent_id, place
),
freed AS (
    UPDATE intents_delivery AS delivery
    SET attempt = delivery.attempt - CASE WHEN winner.is_returned THEN 1 ELSE 0 END,
        returns = CASE WHEN winner.is_returned THEN delivery.returns + 1 ELSE 0 END,
        due_at = CASE
            WHEN winner.reason = 'closed' THEN delivery.due_at
            ELSE statement_timestamp() + make_interval(secs => winner.delay_seconds)
        END,
        lease_token = CASE WHEN winner.reason = 'closed' THEN delivery.lease_token END,
        lease_expires_at = CASE
            WHEN winner.reason = 'closed' THEN LEAST(delivery.lease_expires_at, statement_timestamp())
        END,
        lease_session = CASE WHEN winner.reason = 'closed' THEN delivery.lease_session END,
        lease_seconds = NULL,
        is_detached = false
    FROM winner
    WHERE delivery.id = winner.delivery_id
    RETURNING
        delivery.intent_id, delivery.attempt, winner.place, winner.reason, winner.is_returned, winner.status,
        winner.actor, winner.details, winner.delay_seconds, winner.attempt AS ended_attempt
),
moved AS (
    -- The death of an attempt that had started is no event: the next handing over will be.
    UPDATE intents_intent AS intent
    SET status = CASE WHEN freed.reason = 'closed' AND freed.status = 'DELIVERED' THEN 'SUBMITTED' ELSE 'IN_PROGRESS' END,
        seq = intent.seq + 1,
        attempt = CASE WHEN freed.is_returned THEN freed.attempt ELSE intent.attempt END,
        updated_at = statement_timestamp()
    FROM freed
    WHERE intent.id = freed.intent_id AND (freed.is_returned OR freed.reason = 'released')
    RETURNING
        intent.id, intent.seq, intent.status, freed.actor, freed.details, freed.is_returned, freed.delay_seconds,
        freed.ended_attempt
),
logged AS (
    INSERT INTO intents_event (intent_id, seq, type, status, actor, details, at)
    SELECT
        id, seq, 'intent.' || lower(status), status, actor,
        jsonb_build_object('delivery_attempt', ended_attempt)
        || CASE
            WHEN is_returned THEN jsonb_build_object('returned', true, 'reason', 'connection closed')
            ELSE jsonb_build_object('released', true, 'delay_seconds', delay_seconds)
        END
        || details::jsonb,
        statement_timestamp()
    FROM moved
)
SELECT
    judged.place, judged.intent_id, judged.recipient_id,
    CASE WHEN judged.outcome = 'done' AND freed.place <> judged.place THEN 'lease_lost' ELSE judged.outcome END
        AS outcome,
    statement_timestamp() AS at
FROM judged
LEFT JOIN freed ON freed.intent_id = judged.intent_id
ORDER BY judged.place
