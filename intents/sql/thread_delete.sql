-- Delete a thread that is locked, with all that is in it.
WITH {thread},
items AS (
    DELETE FROM intents_threaditem AS item USING thread WHERE item.thread_id = thread.id
),
entries AS (
    DELETE FROM intents_threadentry AS entry USING thread WHERE entry.thread_id = thread.id
)
DELETE FROM intents_thread AS gone USING thread WHERE gone.id = thread.id
RETURNING gone.id
