-- A thread, without what is in it.
WITH {thread}
SELECT id, thread_id, created_at, updated_at, item_count, entry_count, bytes FROM thread
