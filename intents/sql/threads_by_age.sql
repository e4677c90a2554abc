-- The threads of a workspace in the order of their creation. Read from the other end, every ASC says DESC.
SELECT id, thread_id, created_at, updated_at, item_count, entry_count, bytes
FROM intents_thread
WHERE workspace_id = %(workspace_id)s AND id >= %(low)s AND id < %(high)s
ORDER BY id ASC
LIMIT %(limit)s
