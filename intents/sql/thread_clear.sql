-- Take all entries from a thread that is locked.
WITH {thread},
removed AS (
    DELETE FROM intents_threadentry AS entry
    USING thread
    WHERE entry.thread_id = thread.id
        AND (%(expected)s::int IS NULL OR thread.entry_count = %(expected)s::int)
    RETURNING entry.size
),
gone AS (
    SELECT count(*) AS entries, coalesce(sum(size), 0) AS bytes FROM removed
),
counted AS (
    UPDATE intents_thread AS counted
    SET entry_count = counted.entry_count - gone.entries, bytes = counted.bytes - gone.bytes,
        updated_at = statement_timestamp()
    FROM thread, gone
    WHERE counted.id = thread.id AND gone.entries > 0
)
SELECT
    thread.entry_count AS length, thread.entry_count <> %(expected)s::int AS is_conflict, gone.entries AS removed
FROM thread
CROSS JOIN gone
