-- What is new for all open lists of a process, in one look.
-- `ids`, `seqs`: what they show, as they have it. `numbers` and the rest: the filters by which they look, and after
-- which id an intent would be new to them. `rung`: intents of which somebody said that they have changed.
WITH shown AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(seqs)s::int[]) AS shown (id, seq)
),
wanted AS (
    SELECT
        asked.number, asked.workspace_id, asked.newest, asked.recipient_id, asked.intent_type, asked.correlation_id,
        asked.since, asked.until, asked.named_id, asked.error, asked.is_retried,
        -- Arrays of arrays have to be even, so these come as text. No text that was looked for has such a character.
        string_to_array(asked.statuses, ',') AS statuses, string_to_array(asked.words, E'\x1e') AS words,
        string_to_array(asked.paths, E'\x1e') AS paths, string_to_array(asked.values, E'\x1e') AS values
    FROM unnest(
        %(numbers)s::int[], %(workspaces)s::uuid[], %(newest)s::uuid[], %(recipients)s::bigint[], %(types)s::text[],
        %(correlations)s::uuid[], %(sinces)s::timestamptz[], %(untils)s::timestamptz[], %(named_ids)s::uuid[],
        %(errors)s::text[], %(retried)s::boolean[], %(statuses)s::text[], %(words)s::text[], %(paths)s::text[],
        %(values)s::text[]
    ) AS asked (
        number, workspace_id, newest, recipient_id, intent_type, correlation_id, since, until, named_id, error,
        is_retried, statuses, words, paths, values
    )
),
changed AS (
    SELECT shown.id
    FROM shown
    CROSS JOIN LATERAL (
        SELECT seq FROM intents_intent AS one WHERE one.id = shown.id OFFSET 0
    ) AS intent
    WHERE intent.seq <> shown.seq
),
fresh AS (
    SELECT wanted.number, one.id
    FROM wanted
    CROSS JOIN LATERAL (
        SELECT intent.id
        FROM intents_intent AS intent
        WHERE (intent.workspace_id, intent.id) > (wanted.workspace_id, wanted.newest)
            AND intent.workspace_id <= wanted.workspace_id
            AND {fits}
        ORDER BY intent.workspace_id DESC, intent.id DESC
        LIMIT %(most)s
    ) AS one
),
entered AS (
    SELECT wanted.number, rung.id
    FROM unnest(%(rung)s::uuid[]) AS rung (id)
    CROSS JOIN LATERAL (
        SELECT * FROM intents_intent AS one WHERE one.id = rung.id OFFSET 0
    ) AS intent
    CROSS JOIN wanted
    WHERE {fits}
),
every AS (
    SELECT NULL::int AS number, id FROM changed
    UNION
    SELECT number, id FROM fresh
    UNION
    SELECT number, id FROM entered
)
SELECT
    every.number, intent.id AS intent_id, intent.status, intent.waiting_reason, intent.seq, intent.intent_type,
    intent.to_agent, intent.from_agent, intent.correlation_id, intent.created_at, intent.updated_at, intent.attempt,
    intent.max_delivery_attempts, intent.retry_of_id, intent.parent_id, standing.code, standing.is_retried
FROM every
CROSS JOIN LATERAL (
    SELECT * FROM intents_intent AS one WHERE one.id = every.id OFFSET 0
) AS intent
LEFT JOIN intents_standing AS standing ON standing.intent_id = intent.id
ORDER BY intent.id DESC
