-- End intents: complete, fail, cancel, time out. The first asker for an intent wins; whoever is late changes nothing.
-- `alone`: leave those that others have to follow, in the same transaction: a workflow, or a delivery that begins to
-- be owed at this moment and is not seen yet.
WITH asked AS (
    SELECT *
    FROM unnest(
        %(ids)s::uuid[], %(organizations)s::uuid[], %(agents)s::bigint[], %(tokens)s::uuid[],
        %(sessions)s::uuid[], %(types)s::text[], %(statuses)s::text[], %(actors)s::text[], %(details)s::text[],
        %(via_progress)s::boolean[], %(is_told)s::boolean[]
    ) WITH ORDINALITY AS asked (
        intent_id, organization_id, agent_id, token, session, type, status, actor, details, via_progress,
        is_told, place
    )
),
{locked},
unkilled AS (
{unkilled}
),
judged AS (
    SELECT
        asked.*, held.id AS delivery_id, locked.status AS status_before, locked.has_timers, locked.scenario_id,
        locked.parent_id,
        CASE
            WHEN locked.id IS NULL OR locked.organization_id <> asked.organization_id THEN 'unknown'
            WHEN locked.recipient_id <> asked.agent_id THEN 'forbidden'
            WHEN {killed} THEN 'agent_killed'
            WHEN locked.status IN ('COMPLETED', 'FAILED', 'CANCELED', 'TIMED_OUT') THEN 'already_ended'
            WHEN {fence} THEN 'lease_lost'
            WHEN %(alone)s::boolean AND (locked.scenario_id IS NOT NULL OR held.id IS NULL) THEN 'involved'
            ELSE 'done'
        END AS outcome
    FROM asked
    LEFT JOIN locked ON locked.id = asked.intent_id
    LEFT JOIN held ON held.intent_id = asked.intent_id
),
winner AS (
    SELECT DISTINCT ON (intent_id)
        judged.*,
        (via_progress AND status_before IN ('SUBMITTED', 'DELIVERED', 'ACKNOWLEDGED', 'WAITING')) AS via
    FROM judged
    WHERE outcome = 'done'
    ORDER BY intent_id, place
),
ended AS (
    UPDATE intents_intent AS intent
    SET status = winner.status,
        waiting_reason = NULL,
        seq = intent.seq + CASE WHEN winner.via THEN 2 ELSE 1 END,
        updated_at = statement_timestamp()
    FROM winner
    WHERE intent.id = winner.intent_id
    RETURNING
        intent.id, intent.seq, intent.attempt, intent.intent_type, intent.from_agent, intent.to_agent, intent.reply_to,
        intent.correlation_id, intent.created_at,
        winner.place, winner.type, winner.status, winner.actor, winner.details, winner.via
),
logged AS (
    INSERT INTO intents_event (intent_id, seq, type, status, actor, details, at)
    SELECT id, seq, type, status, actor, details::jsonb, statement_timestamp()
    FROM ended
    UNION ALL
    SELECT id, seq - 1, 'intent.in_progress', 'IN_PROGRESS', actor, '{}'::jsonb, statement_timestamp()
    FROM ended
    WHERE via
),
settled AS (
    DELETE FROM intents_delivery AS delivery
    USING winner
    WHERE delivery.id = winner.delivery_id
),
stopped AS (
    DELETE FROM intents_timer AS timer
    USING winner
    WHERE timer.intent_id = winner.intent_id AND winner.has_timers
)
SELECT
    judged.place, judged.intent_id, judged.type, judged.status, judged.actor, judged.parent_id,
    CASE WHEN judged.outcome = 'done' AND ended.place <> judged.place THEN 'already_ended' ELSE judged.outcome END
        AS outcome,
    judged.delivery_id IS NOT NULL AS was_owed, judged.scenario_id,
    ended.seq, told.attempt, told.intent_type, told.from_agent, told.to_agent, told.reply_to, told.correlation_id,
    told.created_at,
    statement_timestamp() AS at
FROM judged
LEFT JOIN ended ON ended.id = judged.intent_id
-- Only who wants to tell of the intent gets all of it.
LEFT JOIN ended AS told ON told.id = judged.intent_id AND judged.is_told
ORDER BY judged.place
