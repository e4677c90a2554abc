-- Included by others as {thread}: the thread in question, found through its workspace.
thread AS (
    SELECT *
    FROM intents_thread
    WHERE workspace_id = %(workspace_id)s AND thread_id = %(thread_id)s
)
