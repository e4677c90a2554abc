-- Count what ended since the last time, in slots of some seconds, by workspace, outcome and duration; and what of it
-- agents have completed and failed, by the hour.
-- `settled`: endings younger than that are for the next time, since they may not all have been committed. No slot is
-- counted twice: the mark is locked, and moves with what is counted.
WITH mark AS (
    SELECT tallied_to FROM intents_tallymark FOR UPDATE
),
span AS (
    SELECT
        GREATEST(mark.tallied_to, statement_timestamp() - make_interval(secs => %(kept)s)) AS starts_at,
        LEAST(
            date_bin(
                make_interval(secs => %(slot)s),
                statement_timestamp() - make_interval(secs => %(settled)s),
                timestamptz 'epoch'
            ),
            -- Who has been away for long catches up in portions.
            GREATEST(mark.tallied_to, statement_timestamp() - make_interval(secs => %(kept)s))
                + make_interval(secs => %(most)s)
        ) AS ends_at
    FROM mark
),
ended AS (
    SELECT
        intent.workspace_id, intent.recipient_id, event.status,
        date_bin(make_interval(secs => %(slot)s), event.at, timestamptz 'epoch') AS slot,
        {bucket} AS bucket
    FROM intents_event AS event
    -- OFFSET 0: one by one along the key, whatever the statistics say of so short a span.
    CROSS JOIN LATERAL (
        SELECT workspace_id, recipient_id, created_at FROM intents_intent AS one WHERE one.id = event.intent_id OFFSET 0
    ) AS intent
    WHERE event.type IN ('intent.completed', 'intent.failed', 'intent.canceled', 'intent.timed_out')
        AND event.at >= (SELECT starts_at FROM span) AND event.at < (SELECT ends_at FROM span)
),
counted AS (
    INSERT INTO intents_tally AS tally (workspace_id, slot, status, bucket, number)
    SELECT workspace_id, slot, status, bucket, count(*)
    FROM ended
    GROUP BY workspace_id, slot, status, bucket
    ON CONFLICT (workspace_id, slot, status, bucket) DO UPDATE SET number = tally.number + EXCLUDED.number
),
counted_of_agents AS (
    INSERT INTO agents_metricsbucket AS metrics (agent_id, hour, counted_completed, counted_failed)
    SELECT
        recipient_id, date_bin('1 hour', slot, timestamptz 'epoch'),
        count(*) FILTER (WHERE ended.status = 'COMPLETED'), count(*) FILTER (WHERE ended.status <> 'COMPLETED')
    FROM ended
    JOIN agents_agent AS agent ON agent.id = ended.recipient_id
    WHERE ended.status <> 'CANCELED' AND agent.delivery_mode <> 'internal'
    GROUP BY 1, 2
    ORDER BY 1, 2
    ON CONFLICT (agent_id, hour) DO UPDATE SET
        counted_completed = metrics.counted_completed + EXCLUDED.counted_completed,
        counted_failed = metrics.counted_failed + EXCLUDED.counted_failed
),
forgotten AS (
    DELETE FROM intents_tally WHERE slot < statement_timestamp() - make_interval(secs => %(kept)s)
)
UPDATE intents_tallymark SET tallied_to = span.ends_at
FROM span
WHERE span.ends_at > span.starts_at
RETURNING intents_tallymark.tallied_to
