-- Change items of a thread that is locked, all or none; without a thread, that can only be deletions of nothing.
-- wanted is the version that an item must have: null any, 0 none, -1 some. The values come in one piece.
WITH {thread},
asked AS (
    SELECT *
    FROM unnest(
        %(keys)s::text[], %(wanted)s::bigint[], %(removed)s::bool[], %(content_types)s::text[], %(starts)s::int[],
        %(sizes)s::int[]
    ) WITH ORDINALITY AS asked (key, wanted, is_removed, content_type, start, size, place)
),
standing AS (
    SELECT
        asked.*, item.version AS old_version, item.size AS old_size,
        CASE asked.wanted
            WHEN 0 THEN item.version IS NOT NULL
            WHEN -1 THEN item.version IS NULL
            ELSE asked.wanted IS NOT NULL AND item.version IS DISTINCT FROM asked.wanted
        END AS is_conflict
    FROM asked
    LEFT JOIN thread ON true
    LEFT JOIN LATERAL (
        -- The limit keeps the planner from reading the whole thread.
        SELECT version, size FROM intents_threaditem WHERE thread_id = thread.id AND key = asked.key LIMIT 1
    ) AS item ON true
),
growth AS (
    SELECT
        bool_or(is_conflict) AS has_conflict,
        count(*) FILTER (WHERE old_version IS NULL AND NOT is_removed)
            - count(*) FILTER (WHERE old_version IS NOT NULL AND is_removed) AS items,
        sum(CASE WHEN is_removed THEN 0 ELSE size END - coalesce(old_size, 0)) AS bytes
    FROM standing
),
verdict AS (
    -- What shrinks a thread is welcome also where it is too large.
    SELECT
        growth.*, thread.id,
        CASE
            WHEN growth.has_conflict THEN 'conflict'
            WHEN growth.items > 0 AND thread.item_count + growth.items > %(most)s THEN 'items'
            WHEN growth.bytes > 0 AND thread.bytes + growth.bytes > %(most_bytes)s THEN 'bytes'
            ELSE 'done'
        END AS outcome
    FROM growth
    LEFT JOIN thread ON true
),
written AS (
    INSERT INTO intents_threaditem (thread_id, key, version, content_type, value, created_at, updated_at)
    SELECT
        verdict.id, standing.key, nextval('intents_thread_version'), standing.content_type,
        substring(%(values)b::bytea FROM standing.start FOR standing.size),
        statement_timestamp(), statement_timestamp()
    FROM verdict
    JOIN standing ON NOT standing.is_removed
    WHERE verdict.outcome = 'done' AND verdict.id IS NOT NULL
    ORDER BY standing.key
    ON CONFLICT (thread_id, key) DO UPDATE
    SET version = excluded.version, content_type = excluded.content_type, value = excluded.value,
        updated_at = excluded.updated_at
    RETURNING key, version, created_at, updated_at
),
removed AS (
    DELETE FROM intents_threaditem AS item
    USING verdict
    WHERE verdict.outcome = 'done'
        AND item.thread_id = verdict.id
        AND item.key = ANY(ARRAY(SELECT key FROM standing WHERE is_removed))
),
counted AS (
    UPDATE intents_thread AS thread
    SET item_count = thread.item_count + verdict.items, bytes = thread.bytes + verdict.bytes,
        updated_at = statement_timestamp()
    FROM verdict
    WHERE thread.id = verdict.id AND verdict.outcome = 'done'
)
SELECT
    verdict.outcome, standing.key, standing.is_removed, standing.is_conflict, standing.old_version,
    standing.content_type, standing.size, written.version, written.created_at, written.updated_at
FROM standing
CROSS JOIN verdict
LEFT JOIN written ON written.key = standing.key
ORDER BY standing.place
