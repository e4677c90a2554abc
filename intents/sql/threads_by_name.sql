-- The threads of a workspace by their ids, from low up to high. Read from the other end, every ASC says DESC.
SELECT id, thread_id, created_at, updated_at, item_count, entry_count, bytes
FROM intents_thread
WHERE workspace_id = %(workspace_id)s AND thread_id >= %(low)s AND thread_id < %(high)s
ORDER BY thread_id ASC
LIMIT %(limit)s
