-- How a workspace's intents ended, by minute, outcome and duration: what has been tallied, and the few since then.
-- `most`: so many of those at most, of all tenants; the newest, if there are more.
WITH since AS (
    SELECT
        date_trunc('minute', statement_timestamp()) - make_interval(mins => %(minutes)s - 1) AS first_minute,
        COALESCE((SELECT tallied_to FROM intents_tallymark), 'epoch') AS tallied_to
),
fresh AS (
    SELECT event.intent_id, event.status, event.at
    FROM intents_event AS event
    WHERE event.type IN ('intent.completed', 'intent.failed', 'intent.canceled', 'intent.timed_out')
        AND event.at >= (SELECT GREATEST(tallied_to, first_minute) FROM since)
    ORDER BY event.at DESC
    LIMIT %(most)s
),
every AS (
    SELECT tally.slot AS at, tally.status, tally.bucket, tally.number
    FROM intents_tally AS tally
    WHERE tally.workspace_id = %(workspace_id)s::uuid AND tally.slot >= (SELECT first_minute FROM since)
    UNION ALL
    SELECT event.at, event.status, {bucket}, 1
    FROM fresh AS event
    CROSS JOIN LATERAL (
        SELECT workspace_id, created_at FROM intents_intent AS one WHERE one.id = event.intent_id OFFSET 0
    ) AS intent
    WHERE intent.workspace_id = %(workspace_id)s::uuid
)
SELECT
    date_trunc('minute', every.at) AS minute, every.status, every.bucket, sum(every.number)::bigint AS number,
    (SELECT first_minute FROM since) AS first_minute, (SELECT count(*) >= %(most)s FROM fresh) AS is_partial
FROM every
GROUP BY 1, 2, 3
UNION ALL
SELECT first_minute, NULL, 0, 0, first_minute, false FROM since
ORDER BY 1
