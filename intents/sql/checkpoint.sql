-- Save steps of intents, each with an event. The first value of a step wins; whoever is late is told so.
-- The values come in one piece, and are cut out of it where they are stored.
WITH asked AS (
    SELECT *
    FROM unnest(
        %(ids)s::uuid[], %(organizations)s::uuid[], %(agents)s::bigint[], %(tokens)s::uuid[], %(sessions)s::uuid[],
        %(actors)s::text[], %(steps)s::text[], %(content_types)s::text[], %(starts)s::int[], %(sizes)s::int[]
    ) WITH ORDINALITY AS asked (
        intent_id, organization_id, agent_id, token, session, actor, step, content_type, start, size, place
    )
),
{locked},
unkilled AS (
{unkilled}
),
judged AS (
    SELECT
        asked.*, held.id AS delivery_id, locked.attempt, locked.checkpoint_count, locked.checkpoint_bytes,
        CASE
            WHEN locked.id IS NULL OR locked.organization_id <> asked.organization_id THEN 'unknown'
            WHEN locked.recipient_id <> asked.agent_id THEN 'forbidden'
            WHEN {killed} THEN 'agent_killed'
            WHEN locked.status IN ('COMPLETED', 'FAILED', 'CANCELED', 'TIMED_OUT') THEN 'already_ended'
            -- What waits has been taken from its agent.
            WHEN {fence} OR locked.status = 'WAITING' THEN 'lease_lost'
            -- OFFSET 0 has each looked up by the key. Planned while there are few checkpoints, this would read all of
            -- them instead, and still do when there are many.
            WHEN EXISTS (
                SELECT FROM intents_checkpoint AS stored
                WHERE stored.intent_id = asked.intent_id AND stored.step = asked.step
                OFFSET 0
            ) THEN 'repeated'
            ELSE 'done'
        END AS outcome
    FROM asked
    LEFT JOIN locked ON locked.id = asked.intent_id
    LEFT JOIN held ON held.intent_id = asked.intent_id
),
fresh AS (
    SELECT DISTINCT ON (intent_id, step) * FROM judged WHERE outcome = 'done' ORDER BY intent_id, step, place
),
counted AS (
    SELECT
        fresh.*,
        checkpoint_count + row_number() OVER earlier AS position,
        checkpoint_bytes + sum(size) OVER earlier AS bytes
    FROM fresh
    WINDOW earlier AS (PARTITION BY intent_id ORDER BY place)
),
written AS (
    -- What was saved while this statement waited for the lock is not seen above, but here.
    INSERT INTO intents_checkpoint (intent_id, step, position, attempt, content_type, value, at)
    SELECT
        intent_id, step, position, GREATEST(attempt, 1), content_type,
        substring(%(values)b::bytea FROM start FOR size), statement_timestamp()
    FROM counted
    WHERE position <= %(most)s AND bytes <= %(most_bytes)s
    ORDER BY intent_id, step
    ON CONFLICT DO NOTHING
    RETURNING intent_id, step
),
saved AS (
    SELECT counted.*, row_number() OVER (PARTITION BY counted.intent_id ORDER BY counted.place) AS number
    FROM counted
    JOIN written USING (intent_id, step)
),
moved AS (
    UPDATE intents_intent AS intent
    SET status = 'IN_PROGRESS',
        seq = intent.seq + grown.number,
        checkpoint_count = intent.checkpoint_count + grown.number,
        checkpoint_bytes = intent.checkpoint_bytes + grown.size,
        updated_at = statement_timestamp()
    FROM (SELECT intent_id, max(number) AS number, sum(size) AS size FROM saved GROUP BY intent_id) AS grown
    WHERE intent.id = grown.intent_id
    RETURNING intent.id, intent.seq - grown.number AS seq_before
),
logged AS (
    INSERT INTO intents_event (intent_id, seq, type, status, actor, details, at)
    SELECT
        saved.intent_id, moved.seq_before + saved.number, 'intent.in_progress', 'IN_PROGRESS', saved.actor,
        jsonb_build_object(
            'checkpoint',
            jsonb_build_object('step', saved.step, 'size', saved.size, 'content_type', saved.content_type)
        ),
        statement_timestamp()
    FROM saved
    JOIN moved ON moved.id = saved.intent_id
),
started AS (
{sign_of_life}
)
SELECT
    judged.place, judged.intent_id,
    CASE
        WHEN saved.place = judged.place THEN 'done'
        WHEN judged.outcome <> 'done' THEN judged.outcome
        -- Named twice here, or saved by another while this waited for the lock.
        WHEN counted.position <= %(most)s AND counted.bytes <= %(most_bytes)s THEN 'repeated'
        WHEN counted.position > %(most)s THEN 'too_many'
        ELSE 'too_large'
    END AS outcome,
    GREATEST(judged.attempt, 1) AS attempt, moved.seq_before + saved.number AS seq, statement_timestamp() AS at
FROM judged
LEFT JOIN counted ON counted.intent_id = judged.intent_id AND counted.step = judged.step
LEFT JOIN saved ON saved.intent_id = judged.intent_id AND saved.step = judged.step
LEFT JOIN moved ON moved.id = judged.intent_id
ORDER BY judged.place
