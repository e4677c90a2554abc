-- Copy a thread that is locked to a new one, unless there is one of that name. The copies are writes: each has a version
-- of its own, in the order of the keys.
WITH {thread},
fresh AS (
    INSERT INTO intents_thread (organization_id, workspace_id, thread_id, item_count, entry_count, bytes)
    SELECT organization_id, workspace_id, %(to)s, item_count, entry_count, bytes
    FROM thread
    ON CONFLICT (workspace_id, thread_id) DO NOTHING
    RETURNING *
),
items AS (
    INSERT INTO intents_threaditem (thread_id, key, version, content_type, value, created_at, updated_at)
    SELECT
        fresh.id, item.key, nextval('intents_thread_version'), item.content_type, item.value, item.created_at,
        item.updated_at
    FROM thread
    CROSS JOIN fresh
    JOIN intents_threaditem AS item ON item.thread_id = thread.id
    ORDER BY item.key
),
entries AS (
    INSERT INTO intents_threadentry (thread_id, position, content_type, value, at)
    SELECT fresh.id, entry.position, entry.content_type, entry.value, entry.at
    FROM thread
    CROSS JOIN fresh
    JOIN intents_threadentry AS entry ON entry.thread_id = thread.id
)
-- A row for what was to be copied, empty if the name is taken.
SELECT
    fresh.id, fresh.thread_id, fresh.created_at, fresh.updated_at, fresh.item_count, fresh.entry_count, fresh.bytes
FROM thread
LEFT JOIN fresh ON true
