-- Begin a write that only takes away: lock the thread, if there is one.
SELECT id
FROM intents_thread
WHERE workspace_id = %(workspace_id)s AND thread_id = %(thread_id)s
FOR UPDATE
