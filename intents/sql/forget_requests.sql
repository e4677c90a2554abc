-- Forget idempotency keys that are too old to be repeated, some at a time.
WITH old AS (
    SELECT ctid
    FROM intents_idempotencyrecord
    WHERE created_at < statement_timestamp() - make_interval(secs => %(older_than)s)
    ORDER BY created_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
DELETE FROM intents_idempotencyrecord AS record USING old WHERE record.ctid = old.ctid
RETURNING record.agent_id
