-- Note what the work on intents has cost so far: an event each, under the same fence as checkpoints.
WITH asked AS (
    SELECT *
    FROM unnest(
        %(ids)s::uuid[], %(organizations)s::uuid[], %(agents)s::bigint[],
        %(tokens)s::uuid[], %(sessions)s::uuid[], %(actors)s::text[], %(usages)s::text[]
    ) WITH ORDINALITY AS asked (intent_id, organization_id, agent_id, token, session, actor, usage, place)
),
{locked},
unkilled AS (
{unkilled}
),
judged AS (
    SELECT
        asked.*, held.id AS delivery_id, locked.recipient_id,
        CASE
            WHEN locked.id IS NULL OR locked.organization_id <> asked.organization_id THEN 'unknown'
            WHEN locked.recipient_id <> asked.agent_id THEN 'forbidden'
            WHEN {killed} THEN 'agent_killed'
            WHEN locked.status IN ('COMPLETED', 'FAILED', 'CANCELED', 'TIMED_OUT') THEN 'already_ended'
            WHEN {fence} OR locked.status = 'WAITING' THEN 'lease_lost'
            ELSE 'done'
        END AS outcome
    FROM asked
    LEFT JOIN locked ON locked.id = asked.intent_id
    LEFT JOIN held ON held.intent_id = asked.intent_id
),
noted AS (
    SELECT judged.*, row_number() OVER (PARTITION BY intent_id ORDER BY place) AS number
    FROM judged
    WHERE outcome = 'done'
),
moved AS (
    UPDATE intents_intent AS intent
    SET status = 'IN_PROGRESS', seq = intent.seq + grown.number, updated_at = statement_timestamp()
    FROM (SELECT intent_id, max(number) AS number FROM noted GROUP BY intent_id) AS grown
    WHERE intent.id = grown.intent_id
    RETURNING intent.id, intent.seq - grown.number AS seq_before
),
logged AS (
    INSERT INTO intents_event (intent_id, seq, type, status, actor, details, at)
    SELECT
        noted.intent_id, moved.seq_before + noted.number, 'intent.in_progress', 'IN_PROGRESS', noted.actor,
        jsonb_build_object('usage', noted.usage::jsonb), statement_timestamp()
    FROM noted
    JOIN moved ON moved.id = noted.intent_id
),
billed AS (
    -- What it has cost adds up with what agents report by themselves.
    INSERT INTO agents_metricsbucket AS bucket (agent_id, hour, cost_usd)
    SELECT
        noted.recipient_id, date_bin('1 hour', statement_timestamp(), timestamptz 'epoch'),
        sum((noted.usage::jsonb ->> 'cost_usd')::numeric)
    FROM noted
    WHERE noted.usage::jsonb ? 'cost_usd'
    GROUP BY noted.recipient_id
    ORDER BY noted.recipient_id
    ON CONFLICT (agent_id, hour) DO UPDATE SET cost_usd = bucket.cost_usd + EXCLUDED.cost_usd
),
started AS (
{sign_of_life}
)
SELECT
    judged.place, judged.intent_id, judged.outcome, judged.recipient_id,
    moved.seq_before + noted.number AS seq, statement_timestamp() AS at
FROM judged
LEFT JOIN noted ON noted.place = judged.place
LEFT JOIN moved ON moved.id = judged.intent_id
ORDER BY judged.place
